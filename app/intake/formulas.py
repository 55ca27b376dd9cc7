"""Formulas in tables that others wrote: a cell that a spreadsheet would calculate becomes a text.

Whoever opens such a file with Excel or LibreOffice may, with one click too many, send its contents elsewhere or start a
program. An apostrophe before the cell makes it a text in every spreadsheet.
"""

import re

_FORMULA = "=+\\-@＝＋－＠"  # the wide forms too: a Japanese Excel reads them as the narrow ones
_BETWEEN = re.compile(rf'([,;\t\r\n "\ufeff]+)([{_FORMULA}]?)')
"""What lies between two cells, whichever of the three usual separators the reader's settings make of it, and what the
next one begins with. It is matched whether or not that is a formula, so that each character is looked at once."""
_SEPARATOR = re.compile(r"[,;\t\r\n]")
_LED_BY_CONTROL = re.compile(r'([,;\n]\ufeff? *"?)(?=\t|\r(?!\n))')
"""A cell that begins with a tab or a carriage return, behind which some programs look for a formula."""


def neutralised(table: str) -> str:
    """The text of a CSV file with an apostrophe before each cell that begins with = + - @, a tab or a carriage return,
    blanks and quotes aside. Doing it twice changes nothing more."""
    return _BETWEEN.sub(_neutral, f"\n{table}")[1:]  # the first cell begins like every other


def _neutral(found: re.Match[str]) -> str:
    between, first = found[1], found[2]
    mark = "'" if first and _SEPARATOR.search(between) else ""
    return _LED_BY_CONTROL.sub(r"\1'", between) + mark + first
