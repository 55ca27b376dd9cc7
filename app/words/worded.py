"""Structs with sentences: next to a sentence `text`, its phrases in `text_phrases`.

Such a struct is built with a `Sentence` alone, and takes its phrases from it. As JSON it is in English; `translated`
says it in another language.
"""

from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from app.words.languages import DEFAULT, Language
from app.words.sentence import Phrase, Sentence, said_in

SUFFIX = "_phrases"
_MARK = b'_phrases":['
_phrases = tuple[Phrase, ...]


class Worded(Struct, frozen=True):
    """A struct that takes the phrases of its sentences from the sentences."""

    def __post_init__(self) -> None:
        """Take a sentence apart into text and phrases."""
        for name, phrases in _sentences(type(self)):
            text = getattr(self, name)
            if isinstance(text, Sentence):
                force_setattr(self, phrases, text.phrases)
                force_setattr(self, name, str(text))
            elif isinstance(text, list) and any(isinstance(each, Sentence) for each in text):
                force_setattr(self, phrases, tuple(_phrases_of(each) for each in text))
                force_setattr(self, name, [str(each) for each in text])


def _phrases_of(text: str) -> tuple[Phrase, ...]:
    return text.phrases if isinstance(text, Sentence) else ()


@cache
def _sentences(kind: type[Struct]) -> tuple[tuple[str, str], ...]:
    """List the fields with sentences of a struct, each with the field of its phrases."""
    return tuple((each.removesuffix(SUFFIX), each) for each in kind.__struct_fields__ if each.endswith(SUFFIX))


def sentence_in(struct: Worded, name: str) -> Sentence:
    """Return the sentence of a field with its phrases."""
    return Sentence(getattr(struct, name), getattr(struct, name + SUFFIX))


def translated(body: bytes, language: Language) -> bytes:
    """Say every sentence of a JSON body in a language. One that no catalog has, as of another release, stays."""
    if language == DEFAULT or _MARK not in body:
        return body
    tree = msgspec.json.decode(body)
    _translate(tree, language)
    return msgspec.json.encode(tree)


def _translate(tree: Any, language: Language) -> None:
    if isinstance(tree, list):
        for each in tree:
            _translate(each, language)
    elif isinstance(tree, dict):
        for key, value in list(tree.items()):
            name = key.removesuffix(SUFFIX)
            text = tree.get(name) if name != key else None
            if isinstance(text, str):
                tree[name] = _said(value, language) or text
            elif isinstance(text, list) and isinstance(value, list) and len(text) == len(value):
                tree[name] = [_said(phrases, language) or each for each, phrases in zip(text, value, strict=True)]
            elif isinstance(value, dict | list):
                _translate(value, language)


def _said(value: Any, language: Language) -> str | None:
    try:
        phrases = msgspec.convert(value, _phrases)
    except msgspec.ValidationError:
        return None
    return said_in(phrases, language) if phrases else None


@cache
def has_sentences(kind: Any) -> bool:
    """Return whether an answer of this type can have sentences."""
    return _has_sentences(kind, set())


def _has_sentences(kind: Any, seen: set[Any]) -> bool:
    if isinstance(kind, type) and issubclass(kind, Struct):
        if kind in seen:
            return False
        seen.add(kind)
        if issubclass(kind, Worded) and _sentences(kind):
            return True
        return any(_has_sentences(each, seen) for each in get_type_hints(kind).values())
    return any(_has_sentences(each, seen) for each in get_args(kind))
