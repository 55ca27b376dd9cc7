"""Domains in every script: ASCII for systems, Unicode for people."""

import time

import pytest

from app.inputs import domain
from app.inputs.rule import Unfit


@pytest.mark.parametrize(
    ("given", "ascii_form", "unicode_form"),
    [
        ("日本語.jp", "xn--wgv71a119e.jp", "日本語.jp"),
        ("XN--WGV71A119E.JP", "xn--wgv71a119e.jp", "日本語.jp"),
        ("xn--bcher-kva.xn--p1ai", "xn--bcher-kva.xn--p1ai", "bücher.рф"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah", "例え.テスト"),
        ("Ｅｘａｍｐｌｅ．ｊｐ", "example.jp", "example.jp"),
        ("faß.de", "xn--fa-hia.de", "faß.de"),
        ("Example.JP", "example.jp", "example.jp"),
        (" a-b.co.jp ", "a-b.co.jp", "a-b.co.jp"),
    ],
)
def test_both_forms(given: str, ascii_form: str, unicode_form: str) -> None:
    assert domain.ascii_form(given) == ascii_form
    assert domain.unicode_form(ascii_form) == unicode_form
    assert domain.ascii_form(unicode_form) == ascii_form


@pytest.mark.parametrize(
    "given",
    [
        "",
        "jp",
        "no spaces.jp",
        "http://example.jp",
        "example.jp/path",
        "example..jp",
        ".example.jp",
        "-example.jp",
        "example-.jp",
        "under_score.jp",
        "192.0.2.1",
        "[::1]",
        "example.123",
        "xn--a.jp",
        "xn--\u00fc.jp",
        "a\u202eb.jp",
        "a\nb.jp",
        "example.jp\r\nHost: x",
        "x" * 64 + ".jp",
        "x." * 127 + "jp",
        "日" * 80 + ".jp",
        "\u0301a.jp",
        "*.example.jp",
        "a@b.jp",
        "א1a.jp",
    ],
)
def test_what_is_no_domain_is_refused_with_a_reason(given: str) -> None:
    with pytest.raises(Unfit) as unfit:
        domain.ascii_form(given)
    assert (unfit.value.code, "example.jp" in unfit.value.message) == ("domain_invalid", True)


def test_what_has_no_unicode_form_is_shown_as_it_is() -> None:
    assert [domain.unicode_form(each) for each in ("", "090-1234-5678", "xn--a.jp", "X.jp")] == [
        "",
        "090-1234-5678",
        "xn--a.jp",
        "X.jp",
    ]


def test_no_text_keeps_us_busy() -> None:
    began = time.perf_counter()
    for each in ("日" * 253, "xn--" + "a" * 249, "\u0f76" * 253, "́" * 253, "a." * 126):
        with pytest.raises(Unfit):
            domain.ascii_form(each)
    assert time.perf_counter() - began < 1
