"""No cell of a customer's table is calculated when staff open it, whatever their spreadsheet takes for a separator."""

import ast
import csv
import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake import formulas
from app.intake.formulas import neutralised

APP = Path(__file__).parents[2] / "app"
BEGINS = tuple("=+-@＝＋－＠\t\r")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("=1+1", "'=1+1"),
        ("name,=HYPERLINK(1)\r\n", "name,'=HYPERLINK(1)\r\n"),
        ("a,\"=cmd|' /C calc'!A0\"\n", "a,\"'=cmd|' /C calc'!A0\"\n"),
        ("a;+49 30;-5;@SUM(1)", "a;'+49 30;'-5;'@SUM(1)"),
        ("a\t=1\tb", "a\t'=1\tb"),
        ("a,  =1", "a,  '=1"),
        ('a, " =1"', 'a, " \'=1"'),
        ('a,"\t=1"', "a,\"'\t'=1\""),
        ('a,"\r\n=1"', 'a,"\r\n\'=1"'),
        ("\ufeff=1", "\ufeff'=1"),
        ('\ufeff"=1"', '\ufeff"\'=1"'),
        ("a\r=1", "a\r'=1"),
        ("a,＝1,－2", "a,'＝1,'－2"),
        ("a,\tb", "a,'\tb"),
        ("\tb", "'\tb"),
        ("\rb", "'\rb"),
        ("a,\u3000=1;\u00a0-1", "a,\u3000'=1;\u00a0'-1"),
    ],
)
def test_a_cell_that_would_be_calculated_is_a_text(given: str, kept: str) -> None:
    assert neutralised(given) == kept


@pytest.mark.parametrize(
    "harmless",
    [
        "",
        "a,b\r\nc,d\r\n",
        "a,\r\nb,\r\n",
        "a=b,c-d,e@f.jp,1+1",
        "a\t\tb\n",
        '"a, b",c',
        "\r\n\r\n",
        "2026-11-30;090-1234",
    ],
)
def test_everything_else_stays_as_it_is_to_the_byte(harmless: str) -> None:
    assert neutralised(harmless) == harmless


@given(st.text(alphabet=",;\t\r\n \"'=+-@＝a\ufeff", max_size=60), st.sampled_from(",;\t"))
def test_whatever_is_taken_for_a_separator_no_cell_begins_a_formula(table: str, separator: str) -> None:
    kept = neutralised(table)
    assert neutralised(kept) == kept, "the same file again is the same file"
    for row in csv.reader(io.StringIO(kept, newline=""), delimiter=separator):
        for cell in row:
            assert not cell.lstrip(' \ufeff"').startswith(BEGINS[:-2]), (table, kept, cell)
            assert not cell.lstrip(' \ufeff"\t\r\n').startswith(BEGINS[:-2]), (table, kept, cell)


@given(st.text(alphabet=",;\t\r\n \"'=+a\ufeff", max_size=60), st.integers(1, 9))
def test_it_makes_no_difference_in_how_many_pieces_a_table_is_read(table: str, size: int) -> None:
    whole = neutralised(table)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(formulas, "PIECE_CHARACTERS", size)
        assert neutralised(table) == whole


@pytest.mark.parametrize("filling", ["\n", ",", '"', "\t", " ", "=,", '",', "\r", ",\t"])
def test_the_time_grows_with_the_length_and_no_faster(filling: str) -> None:
    """A text of 400,000 cells that was looked at once for each would take hours."""
    started = time.process_time()
    neutralised(filling * 400_000)
    assert time.process_time() - started < 20


def test_nothing_else_writes_tables() -> None:
    """Whatever writes CSV for staff passes its cells through `neutralised`; today nothing does but attachments."""
    importing = {
        str(path.relative_to(APP))
        for path in APP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(each.name == "csv" for each in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "csv")
    }
    assert importing == set()
