"""How easily a password is guessed: zxcvbn's score, and why in our words.

zxcvbn knows common passwords, words and names, with swapped and turned letters, keyboard rows, sequences, dates and
repetitions of all these. What it does not weigh enough is one such word dressed up (`wombat(2026)!` scores 4) and the
user's own words with little between them (`Hanako-Sato-1` scores 3).

It takes up to some 50 ms of the processor: call it in a thread, and one at a time, since it keeps the user's words in a
table of its module.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS
from zxcvbn.matching import L33T_TABLE

from app.errors import Advice, PasswordFeedback
from app.inputs.text import is_harmful

LEAST_SCORE = 3
"""Of 0 to 4: more than 10^8 guesses."""
PRODUCT_WORDS = ("portal", "customer")
LONGEST_JUDGED = 64
"""The time grows with the square of the length; what is strong so far stays strong."""
MOST_SIGNS = 6
"""Different signs that may stand for letters, like `@` for `a`. All combinations are tried, and with all twenty signs
that takes seconds. More than six are hardly a word."""
SHORTEST_WORD = 3
MOST_OF_A_REST = 6
"""Characters beside the user's own words that do not make them a password."""
COMMON = frozenset(FREQUENCY_LISTS["passwords"]) | frozenset(FREQUENCY_LISTS["english_wikipedia"])
"""30,000 passwords and as many words, in lower case."""

_SIGNS = frozenset(sign for signs in L33T_TABLE.values() for sign in signs)
_NEUTRAL = 0xE000
"""Where private characters begin, which stand for no letter."""
_DRESS = "0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_BETWEEN = re.compile(r"[\W\d_]+")
"""What stands between words: everything but letters."""
_LETTERS = str.maketrans("@4301!$57", "aaeoiisst")
"""The usual letter for a sign."""

WARNINGS: Mapping[str, str] = {
    "own_words": "This password is made of your name, your address or ours.",
    "common_password": "This password, or most of it, is among those that are tried first.",
    "dressed_up": "A common word or a number with digits and signs around it is easy to guess.",
    "common_word": "A single common word is easy to guess.",
    "common_name": "Names are easy to guess.",
    "keyboard_pattern": "Rows and patterns of keys are easy to guess.",
    "repetition": "Repeating something makes it hardly harder to guess.",
    "sequence": "Sequences like abcd or 6543 are easy to guess.",
    "date": "Dates and years are easy to guess.",
}
SUGGESTIONS: Mapping[str, str] = {
    "more_words": "Use four or more words that do not belong together.",
    "no_capitals": "Capital letters help very little.",
    "no_swapped_letters": "Signs for letters, like @ for a, help very little.",
    "no_reversed_words": "Words written backwards help very little.",
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


def judged(password: str, personal: Iterable[str]) -> PasswordFeedback:
    """The score of a password, and what would make it better. `personal` are the user's names and address."""
    words = [*_words(personal), *PRODUCT_WORDS]
    password = _once("".join(each for each in password if not is_harmful(each)))
    found = zxcvbn(_bounded(password), user_inputs=words, max_length=LONGEST_JUDGED)
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
    """What zxcvbn takes for better than it is."""
    spoken = plain.translate(_LETTERS)
    if any(_is_made_of(each, words) for each in (plain, spoken, plain[::-1], spoken[::-1])):
        return "own_words"
    core = plain.strip(_DRESS)
    half = core[: len(core) // 2]
    return "dressed_up" if not core or core in COMMON or (core == half * 2 and half in COMMON) else None


def _is_made_of(plain: str, words: Iterable[str]) -> bool:
    """Whether what is left without these words would be no password."""
    rest = plain
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return len(rest) <= MOST_OF_A_REST and rest != plain


def _bounded(password: str) -> str:
    """What is judged: the beginning, with few signs that could be letters."""
    begin = password[:LONGEST_JUDGED]
    signs = [each for each in dict.fromkeys(begin) if each in _SIGNS]
    return begin.translate({ord(sign): _NEUTRAL + at for at, sign in enumerate(signs[MOST_SIGNS:])})


def _words(personal: Iterable[str]) -> list[str]:
    """Each part of names and addresses, and each as a whole."""
    texts = [text.lower() for text in personal if text]
    parts = ["".join(each if each.isalnum() else " " for each in text).split() for text in texts]
    return [word for word in (*texts, *(part for each in parts for part in each)) if len(word) >= SHORTEST_WORD]


def _warning(matches: list[dict[str, Any]]) -> Advice | None:
    """What the longest part of the password that is easy to guess is."""
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
