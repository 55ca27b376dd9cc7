"""The strength of a password: zxcvbn's score, with feedback in the portal's words.

zxcvbn knows common passwords, words and names, with substituted and reversed letters, keyboard rows, sequences, dates
and repetitions of all these. It overrates a single word with decoration (`wombat(2026)!` scores 4) and the user's own
words with little between them (`Hanako-Sato-1` scores 3).

It takes up to 50 ms of CPU time: call it in a thread, and one at a time, because it keeps the user's words in a table
of its module.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS
from zxcvbn.matching import L33T_TABLE

from app.errors import Advice, PasswordFeedback
from app.inputs.text import is_harmful
from app.words.sentence import say

LEAST_SCORE = 3
"""On a scale of 0 to 4: more than 10^8 guesses."""
PRODUCT_WORDS = ("portal", "customer")
LONGEST_RATED = 64
"""The time grows with the square of the length, and a strong beginning makes a strong password."""
MOST_SUBSTITUTES = 6
"""Distinct characters that may substitute letters, like `@` for `a`. All combinations are tried, which takes seconds
for all twenty. More than six hardly leave a word."""
SHORTEST_WORD = 3
MOST_REMAINDER = 6
"""Characters in addition to the user's own words that do not make these a strong password."""
COMMON = frozenset(FREQUENCY_LISTS["passwords"]) | frozenset(FREQUENCY_LISTS["english_wikipedia"])
"""30,000 passwords and 30,000 words, in lower case."""

_SUBSTITUTES = frozenset(sign for signs in L33T_TABLE.values() for sign in signs)
_PRIVATE_USE = 0xE000
"""The first private-use character; these substitute no letter."""
_DECORATION = "0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_BETWEEN = re.compile(r"[\W\d_]+")
"""The characters between words: everything but letters."""
_LETTERS = str.maketrans("@4301!$57", "aaeoiisst")
"""Substitute → the usual letter."""

WARNINGS: Mapping[str, str] = {
    "own_words": say("passwords.own_words"),
    "common_password": say("passwords.common_password"),
    "dressed_up": say("passwords.dressed_up"),
    "common_word": say("passwords.common_word"),
    "common_name": say("passwords.common_name"),
    "keyboard_pattern": say("passwords.keyboard_pattern"),
    "repetition": say("passwords.repetition"),
    "sequence": say("passwords.sequence"),
    "date": say("passwords.date"),
}
SUGGESTIONS: Mapping[str, str] = {
    "more_words": say("passwords.more_words"),
    "no_capitals": say("passwords.no_capitals"),
    "no_swapped_letters": say("passwords.no_swapped_letters"),
    "no_reversed_words": say("passwords.no_reversed_words"),
}
_DICTIONARIES: Mapping[str, str] = {
    "user_inputs": "own_words",
    "passwords": "common_password",
    "english_wikipedia": "common_word",
    "us_tv_and_film": "common_word",
    "surnames": "common_name",
    "male_names": "common_name",
    "female_names": "common_name",
}
_PATTERNS: Mapping[str, str] = {
    "spatial": "keyboard_pattern",
    "repeat": "repetition",
    "sequence": "sequence",
    "date": "date",
    "regex": "date",
}


def rate(password: str, personal: Iterable[str]) -> PasswordFeedback:
    """Rate a password and suggest improvements. `personal` holds the user's names and address."""
    words = [*_words(personal), *PRODUCT_WORDS]
    password = _once("".join(each for each in password if not is_harmful(each)))
    found = zxcvbn(_bounded(password), user_inputs=words, max_length=LONGEST_RATED)
    score, matches = found["score"], found["sequence"]
    code = _underrated(password.lower(), words) if score >= LEAST_SCORE else None
    if score >= LEAST_SCORE and code is None:
        return PasswordFeedback(score, LEAST_SCORE, None, [])
    warning = Advice(code, WARNINGS[code]) if code else _warning(matches)
    return PasswordFeedback(min(score, LEAST_SCORE - 1), LEAST_SCORE, warning, _suggestions(matches))


def _once(password: str) -> str:
    """One word where a password is nothing but that word, several times, whatever stands between."""
    for each in (password.lower(), password.lower().translate(_LETTERS)):
        words = [word for word in _BETWEEN.split(each) if word]
        if len(words) > 1 and len(set(words)) == 1 and len(words[0]) >= SHORTEST_WORD:
            return words[0]
    return password


def _underrated(plain: str, words: Iterable[str]) -> str | None:
    """Return the warning for a password that zxcvbn overrates, if it is one."""
    substituted = plain.translate(_LETTERS)
    if any(_is_made_of(each, words) for each in (plain, substituted, plain[::-1], substituted[::-1])):
        return "own_words"
    core = plain.strip(_DECORATION)
    half = core[: len(core) // 2]
    return "dressed_up" if not core or core in COMMON or (core == half * 2 and half in COMMON) else None


def _is_made_of(plain: str, words: Iterable[str]) -> bool:
    """Tell if little remains of the password without these words."""
    remainder = plain
    for word in sorted(words, key=len, reverse=True):
        remainder = remainder.replace(word, "")
    return len(remainder) <= MOST_REMAINDER and remainder != plain


def _bounded(password: str) -> str:
    """Return the part that is rated: the beginning, with a bounded number of substitutes."""
    begin = password[:LONGEST_RATED]
    substitutes = [each for each in dict.fromkeys(begin) if each in _SUBSTITUTES]
    return begin.translate({ord(sign): _PRIVATE_USE + at for at, sign in enumerate(substitutes[MOST_SUBSTITUTES:])})


def _words(personal: Iterable[str]) -> list[str]:
    """Return each part of names and addresses, and each as a whole."""
    texts = [text.lower() for text in personal if text]
    parts = ["".join(each if each.isalnum() else " " for each in text).split() for text in texts]
    return [word for word in (*texts, *(part for each in parts for part in each)) if len(word) >= SHORTEST_WORD]


def _warning(matches: list[dict[str, Any]]) -> Advice | None:
    """Return the warning about the longest part of the password that is easy to guess."""
    easy = [each for each in matches if each["pattern"] != "bruteforce"]
    longest = max(easy, key=lambda each: len(each["token"]), default=None)
    if longest is None:
        return None
    names = _DICTIONARIES if longest["pattern"] == "dictionary" else _PATTERNS
    code = names.get(longest.get("dictionary_name") or longest["pattern"])
    return Advice(code, WARNINGS[code]) if code else None


def _suggestions(matches: list[dict[str, Any]]) -> list[Advice]:
    found = [each for each in matches if each["pattern"] == "dictionary"]
    helps = {
        "more_words": True,
        "no_capitals": any(each["token"] != each["token"].lower() for each in found),
        "no_swapped_letters": any(each.get("l33t") for each in found),
        "no_reversed_words": any(each.get("reversed") for each in found),
    }
    return [Advice(code, SUGGESTIONS[code]) for code, useful in helps.items() if useful]
