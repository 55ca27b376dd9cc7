"""All faults of a body that the decoder refused: the value is compared with its type field by field."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any

import msgspec

from app.errors import Violation
from app.inputs.kinds import InputKind, InputPath, dotted, is_struct, item_of, kind_of, pointer
from app.inputs.spelling import spelled_text
from app.inputs.words import violation
from app.words.sentence import say

MOST = 50
"""Limit of reported faults, so that a long list of wrong items does not become a longer answer."""


def faults_of(annotation: Any, value: Any) -> list[Violation]:
    """Return the faults of a decoded JSON value against this type, `MOST` at most."""
    wrong: list[Violation] = []
    _walk(annotation, value, (), wrong)
    return wrong[:MOST]


def _walk(annotation: Any, value: Any, path: InputPath, wrong: list[Violation]) -> None:
    if len(wrong) >= MOST:
        return
    kind = kind_of(annotation)
    if value is None and kind.nullable:
        return
    if is_struct(kind.only) and isinstance(value, dict):
        _struct(kind.only, value, path, wrong)
    elif (item := item_of(kind.only)) is not None and isinstance(value, list):
        _list(annotation, item, value, path, wrong)
    else:
        _leaf(annotation, kind, value, path, wrong)


def _struct(shape: type[msgspec.Struct], value: Mapping[str, Any], path: InputPath, wrong: list[Violation]) -> None:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name, field in fields.items():
        if name in value:
            _walk(field.type, value[name], (*path, name), wrong)
        elif field.required:
            at = (*path, name)
            wrong.append(Violation(dotted(at), "missing_field", say("fields.missing"), {}, pointer(at), "required"))
    if shape.__struct_config__.forbid_unknown_fields:
        for name in islice(value.keys() - fields.keys(), MOST):
            at = (*path, name[:100])
            wrong.append(Violation(dotted(at), "unknown_field", say("fields.unknown"), {}, pointer(at), "invalid"))


def _list(annotation: Any, item: Any, value: list[Any], path: InputPath, wrong: list[Violation]) -> None:
    limits = [each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, msgspec.Meta)]
    sizes: Any = list
    for each in limits:
        sizes = Annotated[sizes, each]
    if sentence := _refused(sizes, value):
        wrong.append(violation(dotted(path), pointer(path), sentence))
    for at, each in enumerate(value):
        _walk(item, each, (*path, at), wrong)


def _leaf(annotation: Any, kind: InputKind, value: Any, path: InputPath, wrong: list[Violation]) -> None:
    if sentence := _refused(annotation, value):
        wrong.append(violation(dotted(path), pointer(path), sentence, choices=kind.choices))
    elif isinstance(value, str):
        inner = kind if kind.rule else kind_of(kind.only)
        if inner.rule:
            spelled_text(inner.rule, inner.most, value, path, wrong)


def _refused(annotation: Any, value: Any) -> str:
    """Return the decoder's error sentence about one value; empty if it accepts the value."""
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        return str(error)
    return ""
