"""Protection against CSV injection: a cell that a spreadsheet would calculate becomes text.

A customer who opens a foreign file with Excel or LibreOffice may, with one click too many, send its contents elsewhere
or start a program. An apostrophe before the cell makes it text in every spreadsheet.
"""

import re

_FORMULA = "=+\\-@＝＋－＠"  # the wide forms too: a Japanese Excel reads them as the narrow ones
_BETWEEN = re.compile(rf'([,;\t\r\n "\ufeff]+)([{_FORMULA}]?)')
"""The separator between two cells, whichever of the usual three it is, and the first character of the next cell.

It matches whether or not that character begins a formula, so that each character is examined once.
"""
_SEPARATOR = re.compile(r"[,;\t\r\n]")
_LED_BY_CONTROL = re.compile(r'([,;\n]\ufeff? *"?)(?=\t|\r(?!\n))')
"""A cell that begins with a tab or a carriage return, after which some programs look for a formula."""


def neutralised(table: str) -> str:
    """Put an apostrophe before each CSV cell that begins with = + - @, a tab or a carriage return.

    Blanks and quotes before that character do not matter. Idempotent.
    """
    return _BETWEEN.sub(_neutral, f"\n{table}")[1:]  # the first cell begins like every other


def _neutral(found: re.Match[str]) -> str:
    between, first = found[1], found[2]
    mark = "'" if first and _SEPARATOR.search(between) else ""
    return _LED_BY_CONTROL.sub(r"\1'", between) + mark + first
