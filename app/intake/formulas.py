"""Protection against CSV injection: a cell that a spreadsheet would calculate becomes text.

A customer who opens a foreign file with Excel or LibreOffice may, with one click too many, send its contents elsewhere
or start a program. An apostrophe before the cell makes it text in every spreadsheet.
"""

import re
from collections.abc import Iterator

_FORMULA = "=+\\-@＝＋－＠"  # the wide forms too: a Japanese Excel reads them as the narrow ones
_SEPARATOR = ",;\\t\\r\\n"
"""The three usual separators, of which the reader's settings pick one, and the line ends."""
_BLANK = " \u00a0\u3000"  # Japanese tables have wide ones
_AROUND = rf'{_BLANK}"\ufeff'
"""The characters that may stand between a separator and the cell itself."""
_CALCULATED = re.compile(
    rf"(?<![{_SEPARATOR}{_AROUND}])[{_AROUND}]*+[{_SEPARATOR}][{_SEPARATOR}{_AROUND}]*+(?=[{_FORMULA}])"
)
"""Everything between two cells, if the second begins a formula. It matches from its beginning only, so that each
character is examined once, and it needs no call per match, since a file may have millions."""
_LED_BY_CONTROL = re.compile(rf'([,;\n]\ufeff?[{_BLANK}]*+"?)(?=\t|\r(?!\n))')
"""A cell that begins with a tab or a carriage return, after which some programs look for a formula."""
_WITHIN_CELL = re.compile(rf"[^{_SEPARATOR}{_AROUND}]")
PIECE_CHARACTERS = 65_536
"""The characters that are examined at once: meanwhile no other thread runs."""


def neutralised(table: str) -> str:
    """Put an apostrophe before each CSV cell that begins with = + - @, a tab or a carriage return.

    Blanks and quotes before that character do not matter. Idempotent. A large table takes a second: use a thread.
    """
    return "".join(map(_neutral, _pieces(f"\n{table}")))[1:]  # the first cell begins like every other


def _pieces(table: str) -> Iterator[str]:
    """Cut the table into pieces that end within a cell."""
    start = 0
    while start < len(table):
        found = _WITHIN_CELL.search(table, start + PIECE_CHARACTERS)
        end = found.end() if found else len(table)
        yield table[start:end]
        start = end


def _neutral(piece: str) -> str:
    return _LED_BY_CONTROL.sub(r"\1'", _CALCULATED.sub(r"\g<0>'", piece))
