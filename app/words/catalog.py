"""The catalogs: every sentence by its code, in every language. A file is an area, a table in it a sentence.

A catalog that lacks a language, or whose languages have different parameters, cannot be loaded.
"""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from string import Formatter
from typing import Any

from msgspec import Struct

from app.words.formats import FORMATS, Format, plural, written
from app.words.languages import LANGUAGES, Language

FOLDER = Path(__file__).parent / "catalogs"


class CatalogError(Exception):
    """A catalog that cannot be loaded; the sentence names the code and what is wrong with it."""


class TemplatePart(Struct, frozen=True):
    """A literal text, or the place of a parameter with its format."""

    text: str
    name: str = ""
    form: str = ""


Template = tuple[TemplatePart, ...]


class CatalogEntry(Struct, frozen=True):
    """A sentence in every language, and the names of its parameters."""

    templates: Mapping[Language, Template]
    parameters: frozenset[str]


@cache
def catalog() -> Mapping[str, CatalogEntry]:
    """Load all catalogs, by code.

    Raises:
        CatalogError: a catalog is not complete.
    """
    return loaded(FOLDER)


def loaded(folder: Path) -> Mapping[str, CatalogEntry]:
    """Load the catalogs of a folder.

    Raises:
        CatalogError: as `catalog`.
    """
    found: dict[str, CatalogEntry] = {}
    for file in sorted(folder.glob("*.toml")):
        for name, table in tomllib.loads(file.read_text("utf-8")).items():
            code = f"{file.stem}.{name}"
            found[code] = _entry(code, table)
    for code, entry in found.items():
        _require_terms(code, entry, found)
    return found


def wording(code: str, params: Mapping[str, Any], language: Language) -> str | None:
    """Say a code in a language; None where no catalog has it with these parameters, as of another release."""
    entry = catalog().get(code)
    if entry is None or not entry.parameters <= params.keys():
        return None
    parts = entry.templates[language]
    return "".join(part.text or _said(part.form, params[part.name], language) for part in parts)


@cache
def digest() -> str:
    """Hash the catalogs: answers in other languages than the read models' own depend on them."""
    found = blake2b(digest_size=6)
    for file in sorted(FOLDER.glob("*.toml")):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def _said(form: str, value: Any, language: Language) -> str:
    word, _, rest = form.partition(" ")
    if word == "phrase":
        found = [wording(each["code"], each["params"], language) or "" for each in value]
        return ("" if language == "ja" else " ").join(found)
    if word != "term":
        return written(_form(form), value, language)
    each = [wording(f"{rest}.{item}", {}, language) or str(item) for item in (value if _is_list(value) else [value])]
    return (" または " if language == "ja" else " or ").join(each)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


@cache
def _form(form: str) -> Format:
    word, _, rest = form.partition(" ")
    return plural(rest) if word == "plural" else FORMATS[form]


def _entry(code: str, table: Any) -> CatalogEntry:
    if not isinstance(table, dict) or table.keys() != set(LANGUAGES):
        raise CatalogError(f"{code} needs a sentence in each of {', '.join(LANGUAGES)}, and nothing else.")
    templates = {language: tuple(_parts(code, table[language])) for language in LANGUAGES}
    names = {frozenset(part.name for part in parts if part.name) for parts in templates.values()}
    if len(names) > 1:
        raise CatalogError(f"The languages of {code} have different parameters.")
    return CatalogEntry(templates, names.pop())


def _parts(code: str, text: Any) -> Iterator[TemplatePart]:
    if not isinstance(text, str) or not text.strip():
        raise CatalogError(f"{code} has an empty sentence.")
    try:
        found = list(Formatter().parse(text))
    except ValueError as error:
        raise CatalogError(f"{code} cannot be read: {error}.") from error
    for literal, name, form, conversion in found:
        if literal:
            yield TemplatePart(literal)
        if name is not None:
            word = (form or "").partition(" ")[0]
            if not name.isidentifier() or conversion or word not in {*FORMATS, "plural", "term", "phrase"}:
                raise CatalogError(f"{code} has a placeholder that cannot be filled: {name}:{form}.")
            yield TemplatePart("", name, form or "")


def _require_terms(code: str, entry: CatalogEntry, found: Mapping[str, CatalogEntry]) -> None:
    """Refuse a format that names an area which no catalog has."""
    areas = {each.partition(".")[0] for each in found}
    for parts in entry.templates.values():
        for part in parts:
            word, _, area = part.form.partition(" ")
            if word == "term" and area not in areas:
                raise CatalogError(f"{code} says its terms by the area {area}, which no catalog has.")
