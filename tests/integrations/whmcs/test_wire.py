"""WHMCS's dialect: forms out, whatever shape comes back in."""

import base64
import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.integrations.whmcs.wire import as_list, csv, form, identifier, local_time, serialized, text
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.forms import unserialized


def test_lists_and_maps_become_php_arrays_and_absent_values_are_left_out():
    params = {"pid": [1, 7], "prefs": {"general": True, "domain": False}, "note": None, "qty": 0, "name": "é&="}
    assert form(params) == {"pid[0]": "1", "pid[1]": "7", "prefs[general]": "1", "qty": "0", "name": "é&="}


def test_parallel_lists_stay_aligned_even_where_a_value_is_empty():
    assert form({"pid": ["1", "2"], "domain": ["", "a.jp"]}) == {
        "pid[0]": "1",
        "pid[1]": "2",
        "domain[0]": "",
        "domain[1]": "a.jp",
    }


def test_custom_fields_count_bytes_not_characters():
    assert base64.b64decode(serialized({198: "東京"})) == 'a:1:{i:198;s:6:"東京";}'.encode()


@given(
    st.dictionaries(st.integers(-999, 999), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
)
def test_what_is_serialised_comes_back(values):
    assert unserialized(serialized(values), "customfields") == values


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ({}, "a:0:{}"),
        ({1: ""}, 'a:1:{i:1;s:0:"";}'),
        ({"198": "x", "0": "y", "-7": "z"}, 'a:3:{i:198;s:1:"x";i:0;s:1:"y";i:-7;s:1:"z";}'),
        (
            {"007": "a", "-0": "b", "1.0": "c", "+1": "d"},
            'a:4:{s:3:"007";s:1:"a";s:2:"-0";s:1:"b";s:3:"1.0";s:1:"c";s:2:"+1";s:1:"d";}',
        ),
        ({"９": "x", "é": "y"}, 'a:2:{s:3:"９";s:1:"x";s:2:"é";s:1:"y";}'),
        (
            {"9223372036854775807": "x", "9223372036854775808": "y"},
            'a:2:{i:9223372036854775807;s:1:"x";s:19:"9223372036854775808";s:1:"y";}',
        ),
        ({1: '";}O:8:"stdClass":0:{}'}, 'a:1:{i:1;s:22:"";}O:8:"stdClass":0:{}";}'),
        ({1: "𠮷é\r\n"}, 'a:1:{i:1;s:8:"𠮷é\r\n";}'),
        ({1: "a\0b\ud83d"}, 'a:1:{i:1;s:5:"ab\ufffd";}'),
    ],
)
def test_php_serialisation_is_written_as_php_writes_it(values, written):
    assert base64.b64decode(serialized(values)).decode() == written


@pytest.mark.skipif(shutil.which("php") is None, reason="php is not installed")
@pytest.mark.parametrize("values", [{"198": "東京", "007": '";}', "x": ""}, {1: "𠮷é\r\n", "-7": "a"}, {}])
def test_php_itself_reads_it_and_makes_no_object_of_it(values):
    code = (
        "$v = unserialize(base64_decode($argv[1]), ['allowed_classes' => false]); "
        "echo json_encode($v, JSON_FORCE_OBJECT);"
    )
    told = subprocess.run(
        [str(shutil.which("php")), "-r", code, serialized(values)], capture_output=True, text=True, check=True
    )
    assert json.loads(told.stdout) == {str(key): value for key, value in values.items()}


@pytest.mark.parametrize(
    "text",
    [
        'O:8:"stdClass":0:{}',
        'a:1:{i:1;O:8:"stdClass":0:{}}',
        'a:1:{i:1;C:11:"ArrayObject":2:{x}}',
        "a:1:{i:1;R:1;}",
        'a:1:{i:1;E:3:"A:B";}',
        'a:1:{i:1;s:9:"x";}',
        'a:1:{i:1;s:-1:"x";}',
        'a:1:{i:1;s:+1:"x";}',
        'a:1:{i:1;s: 1:"x";}',
        'a:1:{i:1;s:1:xx";}',
        'a:1:{i:1;s:1:"x"}',
        'a:2:{i:1;s:1:"x";}',
        'a:1:{b:1;s:1:"x";}',
        'a:1:{i:1;s:1:"x";}i:1;',
        's:1:"x";',
        "a:1:{" * 5_000,
    ],
)
def test_the_stand_in_reads_arrays_of_scalars_and_nothing_that_makes_an_object(text):
    with pytest.raises(Refused):
        unserialized(base64.b64encode(text.encode()).decode(), "customfields")


def test_the_stand_in_takes_numeric_keys_for_numbers_as_php_does():
    text = base64.b64encode(b'a:2:{s:3:"198";s:1:"x";s:3:"007";i:5;}').decode()
    assert unserialized(text, "customfields") == {198: "x", "007": 5}


@pytest.mark.parametrize(
    "value",
    [
        {"item": [{"id": 1}]},
        {"item": {"id": 1}},
        {"item": {"0": {"id": 1}}},
        [{"id": 1}],
        {"id": 1},
        {"3": {"id": 1}},
    ],
)
def test_a_collection_of_one_is_a_list_of_one_however_it_is_wrapped(value):
    assert as_list(value, "item") == [{"id": 1}]


@pytest.mark.parametrize("value", ["", None, [], {}, {"item": []}, {"item": ""}, {"item": None}, [[]], "0", 0, False])
def test_an_empty_collection_is_an_empty_list_however_it_is_written(value):
    assert as_list(value, "item") == []


def test_an_array_with_gaps_keeps_its_numeric_order():
    assert as_list({"item": {"10": {"id": 10}, "2": {"id": 2}}}, "item") == [{"id": 2}, {"id": 10}]


@pytest.mark.parametrize(("raw", "plain"), [("a &amp; b", "a & b"), ("O&#039;Neil", "O'Neil"), (None, ""), (5, "5")])
def test_entities_are_decoded(raw, plain):
    assert text(raw) == plain


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("?a=1&copy=2", "?a=1&copy=2"),
        ("?a=1&amp;copy=2", "?a=1&copy=2"),
        ("&copy; &nbsp; &eacute;", "&copy; &nbsp; &eacute;"),
        ("&lt &amp &#39", "&lt &amp &#39"),
        ("&lt;b&gt; &quot;x&quot; &#39; &apos;", "<b> \"x\" ' '"),
        ("&#26481;&#x4EAC;", "東京"),
        ("a&#0;b &#xD83D; &#1114112; &#99999999;", "a" + "b \ufffd \ufffd &#99999999;"),
        ("&AMP; &Lt;", "&AMP; &Lt;"),
        ("&amp;amp;copy;", "&amp;copy;"),
    ],
)
def test_only_what_whmcs_encodes_is_decoded(raw, plain):
    assert text(raw) == plain


@pytest.mark.parametrize("value", [[], {}, ["x"], {"a": 1}, None])
def test_what_is_no_scalar_is_no_text(value):
    assert text(value) == ""


@pytest.mark.parametrize(("raw", "plain"), [("7.0", "7"), (7.0, "7"), (" 7 ", "7"), ("007", "7"), ("9" * 18, "9" * 18)])
def test_ids_are_read_in_any_spelling_a_number_has(raw, plain):
    assert identifier(raw) == plain


@pytest.mark.parametrize("raw", ["9" * 19, 10**400, "-7", True, "７", "²", float("inf"), "7 OR 1=1"])
def test_an_id_is_bounded(raw):
    with pytest.raises(ValueError, match="id"):
        identifier(raw)


@pytest.mark.parametrize(
    ("raw", "plain"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31 10:15:30", "2026-01-31 10:15:30"),
        ("2026-01-31 10:15", "2026-01-31 10:15:00"),
        ("2026-01-31T10:15:30Z", "2026-01-31T10:15:30+00:00"),
        ("30/11/2026", "2026-11-30"),
        ("30/11/2026 10:15", "2026-11-30 10:15:00"),
        ("2026-01-31 99:99", "2026-01-31"),
        ("-0001-11-30", None),
        ("-0001-11-30 00:00:00", None),
        ("0000-00-00 00:00", None),
        ("2026-02-30", None),
        ("18th November 2016 9:32:24am", None),
        ([], None),
        (20260131, None),
        ("9" * 5_000, None),
    ],
)
def test_dates_come_out_as_iso_has_them_or_not_at_all(raw, plain):
    assert local_time(raw) == plain


def test_entities_are_decoded_exactly_once():
    assert text("&amp;lt;") == "&lt;"


@pytest.mark.parametrize(("raw", "plain"), [(1, "1"), ("1", "1"), (" 12 ", "12"), (0, "0"), ("0", "0"), (None, "")])
def test_ids_are_text_whatever_they_came_as(raw, plain):
    assert identifier(raw) == plain


@pytest.mark.parametrize("raw", ["x", "1.5", {}, []])
def test_what_is_no_id_is_refused(raw):
    with pytest.raises((ValueError, TypeError)):
        identifier(raw)


@pytest.mark.parametrize("raw", ["0000-00-00", "0000-00-00 00:00:00", "", None, " "])
def test_zero_dates_are_no_dates(raw):
    assert local_time(raw) is None


def test_a_comma_separated_list_may_be_empty():
    assert (csv(""), csv("5"), csv("5, 6,")) == ((), ("5",), ("5", "6"))
