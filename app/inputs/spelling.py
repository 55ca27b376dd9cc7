"""Normalisation of a decoded body: every text with a rule is replaced in place by its normalised form."""

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import force_setattr

from app.errors import Violation
from app.inputs.kinds import InputPath, dotted, is_struct, item_of, kind_of, pointer
from app.inputs.rule import Rule, Unfit
from app.inputs.words import rule_of
from app.words.sentence import say

Spell = Callable[[Any, InputPath, list[Violation]], Any]


@cache
def speller(annotation: Any) -> Spell | None:
    """Build the normaliser for values of this type; None if the type contains no rule."""
    kind = kind_of(annotation)
    if kind.rule is not None:
        return _text(kind.rule, kind.most)
    if kind.only is not None and kind.only is not annotation:
        return speller(kind.only)
    if is_struct(kind.bare):
        return _struct(kind.bare)
    if (item := item_of(kind.bare)) is not None and (spell := speller(item)):
        return _list(spell)
    return None


def spelled_text(rule: Rule, most: int | None, text: str, path: InputPath, wrong: list[Violation]) -> str:
    """Normalise a text, or return it unchanged and append the violation to `wrong`."""
    try:
        usual = rule.read(text)
        if most is not None and len(usual) > most:
            raise Unfit("field_too_long", say("fields.most_characters", most=most), {"most": most})
    except Unfit as unfit:
        broken = rule_of(unfit.code, otherwise="invalid_format")
        wrong.append(Violation(dotted(path), unfit.code, unfit.message, unfit.params, pointer(path), broken))
        return text
    return usual


def _text(rule: Rule, most: int | None) -> Spell:
    def spell(value: Any, path: InputPath, wrong: list[Violation]) -> Any:
        return spelled_text(rule, most, value, path, wrong) if isinstance(value, str) else value

    return spell


def _struct(shape: type[msgspec.Struct]) -> Spell | None:
    found = [(field.name, field.encode_name, speller(field.type)) for field in msgspec.structs.fields(shape)]
    spellers = [(name, encoded, spell) for name, encoded, spell in found if spell]

    def spell(value: Any, path: InputPath, wrong: list[Violation]) -> Any:
        for name, encoded, each in spellers:
            present = getattr(value, name, None)
            if present is not None and (usual := each(present, (*path, encoded), wrong)) is not present:
                force_setattr(value, name, usual)
        return value

    return spell if spellers else None


def _list(item: Spell) -> Spell:
    def spell(value: Any, path: InputPath, wrong: list[Violation]) -> Any:
        return [item(each, (*path, at), wrong) for at, each in enumerate(value)] if isinstance(value, list) else value

    return spell
