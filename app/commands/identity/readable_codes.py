"""Codes that people copy from a mail or a letter: capitals and digits that cannot be taken for each other."""

import secrets
import unicodedata

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters, five bits each: no 0, 1, I or O."""
GROUP = 4


def random_code(length: int) -> str:
    """A code that nobody can guess, in groups of four."""
    return grouped("".join(secrets.choice(ALPHABET) for _ in range(length)))


def of_bytes(content: bytes, length: int) -> str:
    """The code that these bytes say: the same for the same bytes."""
    return grouped("".join(ALPHABET[each % len(ALPHABET)] for each in content[:length]))


def grouped(code: str) -> str:
    """As it is printed: `ABCD-EFGH`."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def plain(typed: str) -> str:
    """A code as it is compared: width, case, blanks and hyphens of any kind do not matter."""
    return "".join(each for each in unicodedata.normalize("NFKC", typed).upper() if each.isalnum())
