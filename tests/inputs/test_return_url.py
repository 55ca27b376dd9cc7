"""Customers are sent back to the company's own origins alone, however an address is disguised."""

from urllib.parse import urlsplit

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from app.errors import RuleViolated
from app.inputs.return_url import LONGEST, checked, origins
from app.settings import Settings, SettingsError

PORTAL = "https://portal.example.jp"
STAGE = "https://stage.example.jp:8443"
LOCAL = "http://127.0.0.1:3000"
OWN = (PORTAL, STAGE, LOCAL)


@pytest.mark.parametrize(
    "url",
    [
        PORTAL,
        f"{PORTAL}/",
        f"{PORTAL}/invoices/60001?paid=1#top",
        f"{PORTAL}?paid=1",
        f"{PORTAL}#paid",
        f"{PORTAL}//evil.example",
        f"{PORTAL}/@evil.example",
        f"{PORTAL}/?next=https://evil.example",
        f"{STAGE}/invoices",
        f"{LOCAL}/invoices",
    ],
)
def test_an_address_of_an_own_origin_is_allowed(url: str) -> None:
    assert checked(url, OWN) == url
    assert urlsplit(url).hostname in ("portal.example.jp", "stage.example.jp", "127.0.0.1")


DISGUISED = [
    "",
    "/",
    "/invoices",
    "//evil.example",
    "///evil.example",
    r"\evil.example",
    r"\\evil.example",
    r"/\evil.example",
    "https:evil.example",
    "https:/portal.example.jp",
    "https:///portal.example.jp",
    r"https:\\portal.example.jp",
    "https://evil.example",
    "https://evil.example/https://portal.example.jp",
    "https://evil.example#https://portal.example.jp",
    f"{PORTAL}@evil.example",
    f"{PORTAL}:443@evil.example/",
    f"{PORTAL}:pass@evil.example",
    "https://user@portal.example.jp/",
    "https://portal.example.jp:443/",
    "https://portal.example.jp:8443/",
    "https://portal.example.jp:/",
    "https://stage.example.jp/",
    "https://stage.example.jp:84430/",
    f"{STAGE}0/",
    "https://portal.example.jp./",
    "https://portal.example.jp.evil.example/",
    "https://portal.example.jpevil.example",
    "https://evilportal.example.jp",
    "https://sub.portal.example.jp",
    "https://portal.example.jр/",  # a Cyrillic letter
    "https://portal．example．jp/",
    "https://ｐortal.example.jp/",
    "https://xn--portal-example.jp/",
    "https://portal%2eexample.jp/",
    "https://portal.example.jp%2f@evil.example",
    "https://portal.example.jp%00.evil.example",
    r"https://portal.example.jp\@evil.example",
    r"https://portal.example.jp/\evil.example",
    "HTTPS://portal.example.jp/",
    "https://PORTAL.example.jp/",
    "http://portal.example.jp/",
    "http://127.0.0.1/",
    "http://127.1:3000/",
    "http://localhost:3000/",
    " https://portal.example.jp/",
    "https://portal.example.jp/ ",
    "https://portal.example.jp\t.evil.example/",
    "https://portal.example.jp\n.evil.example/",
    "https://portal.example.jp/\r\nSet-Cookie: a=b",
    "https://portal.example.jp/\x00",
    'https://portal.example.jp/"><script>',
    "javascript:alert(1)//https://portal.example.jp",
    "data:text/html,https://portal.example.jp",
    f"{PORTAL}/{'a' * LONGEST}",
]


@pytest.mark.parametrize("url", DISGUISED)
def test_any_other_is_refused(url: str) -> None:
    with pytest.raises(RuleViolated) as refused:
        checked(url, OWN)
    assert (refused.value.code, [each.field for each in refused.value.errors]) == (
        "return_url_not_allowed",
        ["return_url"],
    )


@hypothesis.given(st.text(max_size=12), st.sampled_from(OWN), st.text(max_size=12))
def test_whatever_is_allowed_leads_to_an_own_host(before: str, origin: str, after: str) -> None:
    url = before + origin + after
    try:
        checked(url, OWN)
    except RuleViolated:
        return
    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}" in OWN


def test_without_origins_nothing_is_allowed_and_nothing_need_be_given() -> None:
    assert checked(None, ()) is None
    with pytest.raises(RuleViolated):
        checked(PORTAL, ())


@pytest.mark.parametrize("written", ["", f"{PORTAL}, {STAGE} ,{LOCAL}", "http://localhost:3000,"])
def test_origins_are_written_as_browsers_write_them(settings: Settings, written: str) -> None:
    found = origins(msgspec.structs.replace(settings, return_origins=written))
    assert list(found) == [each.strip() for each in written.split(",") if each.strip()]


@pytest.mark.parametrize(
    "written",
    [
        "*",
        "portal.example.jp",
        "https://*.example.jp",
        "https://portal.example.jp/",
        "https://portal.example.jp/app",
        "https://portal.example.jp:443",
        "https://portal.example.jp.",
        "https://Portal.example.jp",
        "https://user@portal.example.jp",
        "https://ポータル.jp",
        "http://portal.example.jp",
        "http://127.0.0.1:80",
        "https://",
        "null",
        f"{PORTAL}, *",
    ],
)
def test_an_origin_that_is_written_otherwise_stops_the_start(settings: Settings, written: str) -> None:
    with pytest.raises(SettingsError, match="RETURN_ORIGINS"):
        origins(msgspec.structs.replace(settings, return_origins=written))
