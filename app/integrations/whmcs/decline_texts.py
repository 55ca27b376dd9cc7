"""What gateways write about a declined charge: in any language, as HTML, JSON or a dump of PHP, of any length.

Codes are picked out by the names of their fields, and by a few English phrases; what is for people is made safe to
show to staff.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

MOST_READ = 20_000
MOST_KEPT = 300
MOST_CODES = 20
DEEPEST = 8
HIDDEN = "[…]"

_CODE_NAMES = (
    "decline_?code|network_decline_code|advice_code|code|failure_code|error_?code|response_?code|reason_?code|"
    "processor_response_code|issue|l_errorcode0|resultcode|error_name"
)
_SAID_NAMES = (
    "message|failure_message|seller_message|description|error|error_message|reason|responsetext|response_reason_text|"
    "l_longmessage0|l_shortmessage0|respmsg"
)
_CODE_NAME = re.compile(_CODE_NAMES, re.I)
_SAID_NAME = re.compile(_SAID_NAMES, re.I)
_PAIR = re.compile(
    rf"(?<![\w])[\[\"']?({_CODE_NAMES})[\]\"']?\s{{0,5}}(?:=>|[:=])\s{{0,5}}[\"']?([\w.-]{{1,60}})", re.I
)
_SAID = re.compile(rf"(?<![\w])\[?({_SAID_NAMES})\]?\s{{0,5}}=>\s{{0,5}}([^\n]{{1,400}})", re.I)
_DUMP = re.compile(r"\[?\w{1,60}\]?\s{0,5}=>")
_IN_BRACKETS = re.compile(r"[(\[]\s{0,3}([a-z]\w{0,59}|[0-9][0-9a-z]{1,4})\s{0,3}[)\]]", re.I)
_SNAKE = re.compile(r"\b[a-z]{2,20}(?:_[a-z]{1,20}){1,5}\b", re.I)
PHRASES = (
    (re.compile(r"insufficient|not sufficient", re.I), "insufficient_funds"),
    (re.compile(r"\bexpired\b.{0,20}\bcard\b|\bcard\b.{0,30}\bexpired\b", re.I | re.S), "expired_card"),
    (re.compile(r"\b(stolen|lost)\b.{0,20}\bcard\b|\bcard\b.{0,30}\b(stolen|lost)\b", re.I | re.S), "stolen_card"),
    (re.compile(r"invalid card|card number|security code|\bcvc\b|\bcvv\b", re.I), "incorrect_number"),
    (re.compile(r"do not (re-?try|try again)|should not be retried", re.I), "do_not_try_again"),
    (re.compile(r"issuer\b.{0,30}\b(unavailable|not available|inoperative)", re.I | re.S), "issuer_not_available"),
    (re.compile(r"authentication (is )?required|3d ?secure required", re.I), "authentication_required"),
    (re.compile(r"gateway (module|error)|module not|invalid credentials?|api key", re.I), "gateway_error"),
)
"""What English sentences say → a code for it. Every other language says nothing."""
_TAG = re.compile(r"<[^<>]{0,300}>")
_SCRIPT = re.compile(r"<(script|style)\b[^>]{0,300}>.{0,10000}?</\1\s{0,5}>", re.I | re.S)
_NUMBER = re.compile(r"\d(?:[\W_xX]{0,6}\d){6,}")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:]{1,64}@[^\s<>\"'(),;:]{1,255}")
_TOKEN = re.compile(r"\b(?=\w{0,40}\d)[A-Za-z0-9]{2,8}_[A-Za-z0-9_]{8,120}\b")


class GatewayWords(Struct, frozen=True):
    """What a gateway said: the codes that it named, the most particular sources first, and a line for staff."""

    codes: tuple[str, ...]
    text: str


def read(raw: str) -> GatewayWords:
    """Read what a gateway wrote. The line is without markup, long numbers, mail addresses and tokens; of JSON and dumps
    only the fields for people are in it."""
    return GatewayWords(tuple(_codes(raw)), _line(raw))


def without(text: str, personal: Iterable[str]) -> str:
    """Return a line without these words of a customer."""
    for word in sorted(filter(None, map(_folded, personal)), key=len, reverse=True):
        text = re.sub(re.escape(word), HIDDEN, text, flags=re.I)
    return text[:MOST_KEPT]


def _codes(raw: str) -> list[str]:
    said = _plain(raw)
    found = [*_json_codes(raw), *(each[2] for each in _PAIR.finditer(said))]
    found += [*(each[1] for each in _IN_BRACKETS.finditer(said)), *(each[0] for each in _SNAKE.finditer(said))]
    found += [code for pattern, code in PHRASES if pattern.search(said)]
    return list(dict.fromkeys(each.lower() for each in found))[:MOST_CODES]


def _line(raw: str) -> str:
    line = " ".join(_plain(" · ".join(_json_said(raw)) or _dump_said(raw)).split())
    for pattern in (_ADDRESS, _NUMBER, _TOKEN):
        line = pattern.sub(HIDDEN, line)
    return line[:MOST_KEPT]


def _folded(word: str) -> str:
    plain = " ".join(_plain(word).split())
    return plain if len(plain) > 1 else ""


def _plain(raw: str) -> str:
    """Return text without markup and invisible characters, with digits and letters in their usual form."""
    bare = html.unescape(_TAG.sub(" ", _SCRIPT.sub(" ", raw[:MOST_READ])))
    bare = unicodedata.normalize("NFKC", _TAG.sub(" ", bare))
    return "".join(each for each in bare if each in "\n\t" or unicodedata.category(each)[0] != "C")


def _dump_said(raw: str) -> str:
    """Return the fields for people of a PHP dump; the text itself if it is none."""
    if not _DUMP.search(raw[:MOST_READ]):
        return raw
    return " · ".join(each[2] for each in _SAID.finditer(html.unescape(raw[:MOST_READ])))


def _json_codes(raw: str) -> Iterator[str]:
    for name, value in _members(_json_of(raw)):
        if _CODE_NAME.fullmatch(name):
            yield value


def _json_said(raw: str) -> Iterator[str]:
    for name, value in _members(_json_of(raw)):
        if _SAID_NAME.fullmatch(name):
            yield value


def _json_of(raw: str) -> Any:
    """Return the JSON object in a text; None if there is none."""
    start, end = raw.find("{"), raw.rfind("}")
    if start < 0 or not start < end < MOST_READ:
        return None
    try:
        return json.loads(raw[start : end + 1])
    except (ValueError, RecursionError):
        return None


def _members(value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield the scalar members of a JSON value by name, those that lie deepest first: they are the most particular."""
    if depth > DEEPEST:
        return
    if isinstance(value, list):
        for each in value[:MOST_CODES]:
            yield from _members(each, depth + 1)
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _members(each, depth + 1)
        for name, each in value.items():
            if isinstance(each, str | int) and not isinstance(each, bool):
                yield str(name), str(each)[:MOST_KEPT]
