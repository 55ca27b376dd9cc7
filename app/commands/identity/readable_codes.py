"""Codes that people copy from a mail or a letter: capitals and digits that cannot be confused."""

import secrets
import unicodedata

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""32 characters, five bits each: no 0, 1, I or O."""
GROUP = 4


def random_code(length: int) -> str:
    """Return an unguessable code, in groups of four."""
    return grouped("".join(secrets.choice(ALPHABET) for _ in range(length)))


def of_bytes(content: bytes, length: int) -> str:
    """Derive a code from bytes: the same bytes give the same code."""
    return grouped("".join(ALPHABET[each % len(ALPHABET)] for each in content[:length]))


def grouped(code: str) -> str:
    """Format a code as it is printed: `ABCD-EFGH`."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def plain(typed: str) -> str:
    """Normalise a code for comparison: width, case, blanks and hyphens do not matter."""
    return "".join(each for each in unicodedata.normalize("NFKC", typed).upper() if each.isalnum())
