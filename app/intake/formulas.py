"""Formulas in tables that others wrote: a cell that a spreadsheet would calculate becomes a text.

Whoever opens such a file with Excel or LibreOffice may, with one click too many, send its contents elsewhere or start a
program. An apostrophe before the cell makes it a text in every spreadsheet.
"""

import re
from collections.abc import Iterator

_FORMULA = "=+\\-@＝＋－＠"  # the wide forms too: a Japanese Excel reads them as the narrow ones
_SEPARATOR = ",;\\t\\r\\n"
"""Whichever of the three usual ones the reader's settings make of it, and the ends of lines."""
_BLANK = " \u00a0\u3000"  # a Japanese table has wide ones
_AROUND = rf'{_BLANK}"\ufeff'
"""What may stand between a separator and the cell itself."""
_CALCULATED = re.compile(
    rf"(?<![{_SEPARATOR}{_AROUND}])[{_AROUND}]*+[{_SEPARATOR}][{_SEPARATOR}{_AROUND}]*+(?=[{_FORMULA}])"
)
"""All that lies between two cells, if the second begins a formula. It is looked at from its beginning only, so that no
character is looked at more than once; and without a call for each match, since a file may have millions."""
_LED_BY_CONTROL = re.compile(rf'([,;\n]\ufeff?[{_BLANK}]*+"?)(?=\t|\r(?!\n))')
"""A cell that begins with a tab or a carriage return, behind which some programs look for a formula."""
_WITHIN_CELL = re.compile(rf"[^{_SEPARATOR}{_AROUND}]")
PIECE_CHARACTERS = 65_536
"""What is looked at in one go: a thread lets no other run meanwhile."""


def neutralised(table: str) -> str:
    """The text of a CSV file with an apostrophe before each cell that begins with = + - @, a tab or a carriage return,
    blanks and quotes aside. Doing it twice changes nothing more. A large one takes a second: call it in a thread."""
    return "".join(map(_neutral, _pieces(f"\n{table}")))[1:]  # the first cell begins like every other


def _pieces(table: str) -> Iterator[str]:
    """The table in parts that end within a cell."""
    start = 0
    while start < len(table):
        found = _WITHIN_CELL.search(table, start + PIECE_CHARACTERS)
        end = found.end() if found else len(table)
        yield table[start:end]
        start = end


def _neutral(piece: str) -> str:
    return _LED_BY_CONTROL.sub(r"\1'", _CALCULATED.sub(r"\g<0>'", piece))
