"""The languages of the portal, and the one that a caller prefers by `Accept-Language` (RFC 9110, 12.5.4)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_args

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "en"
"""The language of read models, and of those who prefer none and have none of their own."""
WHMCS_LANGUAGES: Mapping[Language, str] = {"en": "english", "ja": "japanese"}
"""The names of the languages in WHMCS."""
MOST_CHARACTERS = 1_000
"""How much of a header counts; browsers send less than a hundred characters."""
_RANGE = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*)?")


def preferred(header: str | None) -> Language | None:
    """Return the language that a header prefers; None where it leaves the choice, so that the customer's own counts.

    What cannot be read in the header counts as not said.
    """
    return _preferred(header[:MOST_CHARACTERS]) if header else None


def of_whmcs(name: object) -> Language | None:
    """Return the language that WHMCS names, e.g. `japanese`; None for others, and where it names none."""
    folded = name.strip().casefold() if isinstance(name, str) else ""
    return next((language for language, known in WHMCS_LANGUAGES.items() if known == folded), None)


def known(language: object) -> Language:
    """Return a stored language, or the default in place of what is none."""
    return next((each for each in LANGUAGES if each == language), DEFAULT)


@lru_cache(maxsize=1_000)
def _preferred(header: str) -> Language | None:
    weights = _weights(header)
    wanted = {each: weights.get(each, weights.get("*", 0.0)) for each in LANGUAGES}
    best = max(wanted.values())
    if not best:
        refused = {each for each in LANGUAGES if each in weights}
        left = [each for each in LANGUAGES if each not in refused]
        return left[0] if refused and left else None
    named = [each for each in weights if each in LANGUAGES and wanted[known(each)] == best]
    return known(named[0]) if named else _only([each for each in LANGUAGES if wanted[each] == best])


def _only(found: list[Language]) -> Language | None:
    return found[0] if len(found) == 1 else None


def _weights(header: str) -> dict[str, float]:
    """Return the weight of each primary language that is named, and of `*`, the best of several; in their order."""
    found: dict[str, float] = {}
    for part in header.split(","):
        if match := _RANGE.fullmatch(part):
            name, weight = match[1].lower(), float(match[2] or 1)
            found[name] = max(weight, found.get(name, 0.0))
    return found
