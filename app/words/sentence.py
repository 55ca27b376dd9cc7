"""Sentences that know their code and parameters, so that they can be said in any language.

A sentence is a text, in English, with the phrases that it consists of. It is text to whoever only shows or logs it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from app.words.catalog import wording
from app.words.languages import DEFAULT, Language

Parameter = str | int | date | Decimal | Sequence[str] | Struct
"""What a sentence can be given. A `Struct` is an amount of money."""
_BETWEEN: Mapping[Language, str] = {"en": " ", "ja": ""}


class Phrase(Struct, frozen=True):
    """A phrase of a sentence: its stable code, and the parameters with which it is said.

    Days are ISO dates, amounts have `amount` and `currency`, and a phrase in a phrase is a list of phrases.

    Attributes:
        code: stable; the catalogs have a sentence for it in each language.
        params: by name.
    """

    code: str
    params: dict[str, Any] = {}


class Sentence(str):
    """A sentence in English with its phrases."""

    __slots__ = ("phrases",)
    phrases: tuple[Phrase, ...]

    def __new__(cls, text: str, phrases: Iterable[Phrase]) -> "Sentence":
        """Join a text and its phrases."""
        made = super().__new__(cls, text)
        made.phrases = tuple(phrases)
        return made

    def __getnewargs__(self) -> tuple[str, tuple[Phrase, ...]]:  # type: ignore[override]
        """Return what a copy is made of."""
        return str(self), self.phrases


def say(code: str, /, **params: Parameter) -> Sentence:
    """Say what a catalog has under this code.

    Raises:
        KeyError: no catalog has it, or it lacks a parameter.
    """
    return sentence_of([Phrase(code, {name: _plain(value) for name, value in params.items()})])


def sentence_of(phrases: Sequence[Phrase]) -> Sentence:
    """Say phrases one after the other.

    Raises:
        KeyError: as `say`.
    """
    text = said_in(phrases, DEFAULT)
    if text is None:
        raise KeyError(", ".join(each.code for each in phrases))
    return Sentence(text, phrases)


def together(*sentences: Sentence | None) -> Sentence:
    """Join sentences to one."""
    found = [each for each in sentences if each]
    return Sentence(_BETWEEN[DEFAULT].join(found), [phrase for each in found for phrase in each.phrases])


def said_in(phrases: Iterable[Phrase], language: Language) -> str | None:
    """Say phrases in a language; None where a catalog lacks one of them."""
    found = [wording(each.code, each.params, language) for each in phrases]
    return None if None in found else _BETWEEN[language].join(each for each in found if each)


def in_language(text: str, language: Language) -> str:
    """Say a sentence in a language; a text without phrases stays as it is."""
    if language == DEFAULT or not isinstance(text, Sentence):
        return str(text)
    return said_in(text.phrases, language) or str(text)


def stored_phrases(text: str) -> list[dict[str, Any]]:
    """Return the phrases of a text as a `jsonb` column keeps them; none of a text that is no sentence."""
    return [{"code": each.code, "params": each.params} for each in text.phrases] if isinstance(text, Sentence) else []


def _plain(value: Parameter) -> Any:
    """Return a parameter as JSON has it."""
    if isinstance(value, Sentence):
        return msgspec.to_builtins(value.phrases)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return msgspec.to_builtins(value)
