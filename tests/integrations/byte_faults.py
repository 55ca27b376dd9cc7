"""Faults in the bytes of an answer, whatever the upstream, and answers with one wrong value in them.

A test drives every method of a client against each row. Whatever comes, a client gives a value or an `UpstreamError`.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.integrations.scripted import Reply

DEEP = 100_000
HUGE_DIGITS = 5_000


class ByteFault(NamedTuple):
    """One way to spoil a good answer: its bytes, its headers, the length it claims."""

    name: str
    spoil: Callable[[bytes], bytes]
    headers: Mapping[str, str] = {}
    length: Callable[[int], str] = str
    status: int = 200

    def reply(self, good: bytes) -> Reply:
        """Return the spoiled answer, after which the connection ends."""
        content = self.spoil(good)
        lines = [f"HTTP/1.1 {self.status} Spoiled", f"Content-Length: {self.length(len(content))}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return Reply(raw="\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)


def always(content: bytes) -> Callable[[bytes], bytes]:
    return lambda good: content


def same(good: bytes) -> bytes:
    return good


def within(stray: bytes) -> Callable[[bytes], bytes]:
    """Insert the bytes before the end of every text."""

    def spoil(good: bytes) -> bytes:
        spoiled, inside, skip = bytearray(), False, False
        for byte in good:
            if byte == ord('"') and not skip:
                if inside:
                    spoiled += stray
                inside = not inside
            skip = byte == ord("\\") and not skip
            spoiled.append(byte)
        return bytes(spoiled)

    return spoil


def in_values(stray: bytes) -> Callable[[bytes], bytes]:
    """Append the bytes to every text that is a value; names stay as they are."""
    marker = "\ue000"

    def marked(value: Any) -> Any:
        if isinstance(value, str):
            return value + marker
        if isinstance(value, list):
            return [marked(each) for each in value]
        return {name: marked(each) for name, each in value.items()} if isinstance(value, dict) else value

    def spoil(good: bytes) -> bytes:
        return json.dumps(marked(json.loads(good)), ensure_ascii=False).encode().replace(marker.encode(), stray)

    return spoil


BYTE_FAULTS = (
    ByteFault("byte order mark", lambda good: b"\xef\xbb\xbf" + good),
    ByteFault("two byte order marks and blanks", lambda good: b"\xef\xbb\xbf \r\n\xef\xbb\xbf\t" + good + b"\n\n "),
    ByteFault("UTF-16", lambda good: good.decode().encode("utf-16")),
    ByteFault("NUL after the answer", lambda good: good + b"\0\0\0"),
    ByteFault("raw NUL in values", in_values(b"\0")),
    ByteFault("escaped NUL in values", in_values(b"\\u0000")),
    ByteFault("escaped NUL in every text", within(b"\\u0000")),
    ByteFault("Latin-1 in values", in_values("é".encode("latin-1"))),
    ByteFault("Latin-1 in every text", within("é".encode("latin-1"))),
    ByteFault("Shift_JIS in values", in_values("表示".encode("shift_jis"))),
    ByteFault("lone surrogate in values", in_values(b"\\ud83d")),
    ByteFault("low surrogate in values", in_values(b"\\udc00")),
    ByteFault("surrogate as UTF-8 in values", in_values(b"\xed\xa0\xbd")),
    ByteFault("half", lambda good: good[: len(good) // 2]),
    ByteFault("all but the last byte", lambda good: good[:-1]),
    ByteFault("a notice before the answer", lambda good: b"<br />\n<b>Notice</b>: Undefined index in /x.php\n" + good),
    ByteFault("a notice after the answer", lambda good: good + b"\n<br /><b>Warning</b>: in /x.php"),
    ByteFault("the answer twice", lambda good: good + good),
    ByteFault("HTML with 200", always(b"<!DOCTYPE html><html><body>Maintenance</body></html>")),
    ByteFault("empty", always(b"")),
    ByteFault("blanks", always(b" \n\t ")),
    ByteFault("null", always(b"null")),
    ByteFault("a list", lambda good: b"[" + good + b"]"),
    ByteFault("an empty list", always(b"[]")),
    ByteFault("an empty object", always(b"{}")),
    ByteFault("a text", always(b'"success"')),
    ByteFault("a number", always(b"7")),
    ByteFault("true", always(b"true")),
    ByteFault("NaN", always(b"NaN")),
    ByteFault("an open deep list", always(b"[" * DEEP)),
    ByteFault("a deep list", always(b"[" * DEEP + b"]" * DEEP)),
    ByteFault("a deep object", always(b'{"result":' * DEEP + b'"success"' + b"}" * DEEP)),
    ByteFault("deep within", lambda good: good.rstrip()[:-1] + b',"deep":' + b"[" * 900 + b"]" * 900 + b"}"),
    ByteFault("a number of 5,000 digits", lambda good: good.rstrip()[:-1] + b',"n":' + b"9" * HUGE_DIGITS + b"}"),
    ByteFault("an infinite number", lambda good: good.rstrip()[:-1] + b',"n":1e999,"m":NaN,"o":-Infinity}'),
    ByteFault("random bytes", always(bytes(range(256)) * 4)),
    ByteFault("gzip that is none", same, {"Content-Encoding": "gzip"}),
    ByteFault("gzip cut short", lambda good: gzip.compress(good)[:-9], {"Content-Encoding": "gzip"}),
    ByteFault("deflate that is none", same, {"Content-Encoding": "deflate"}),
    ByteFault("an unknown encoding", same, {"Content-Encoding": "x-rot13"}),
    ByteFault("a charset that nobody knows", same, {"Content-Type": "application/json; charset=no-such-charset"}),
    ByteFault("a charset with NUL", same, {"Content-Type": 'application/json; charset="\x7f"'}),
    ByteFault("another charset than said", same, {"Content-Type": "application/json; charset=utf-16"}),
    ByteFault("a header that is not ASCII", same, {"X-Server": "caf\u00e9", "Content-Type": "t\u00e9xt"}),
    ByteFault("odd cookies", same, {"Set-Cookie": "=;;; expires=Thu, 99 Foo 99999 99:99:99; max-age=" + "9" * 400}),
    ByteFault("a redirect to nowhere", same, {"Location": "http://[::1"}, status=302),
    ByteFault("a longer length than sent", same, length=lambda size: str(size + 10)),
    ByteFault("a shorter length than sent", same, length=lambda size: str(max(size - 10, 0))),
    ByteFault("a length that is no number", same, length=lambda size: "many"),
    ByteFault("a negative length", same, length=lambda size: "-5"),
    ByteFault("no body at all", always(b""), length=lambda size: "0", status=204),
)

WRONG_VALUES: tuple[Any, ...] = (
    None,
    "",
    "x\u00e9\u3042",
    "-0001-11-30",
    -1,
    1.5,
    10**400,
    True,
    [],
    [[]],
    [None, 7, "x"],
    {},
    {"0": {}, "2": None},
    {"\u0663": 1, "\u00b2": 2},
)
"""In the place of any one value of a good answer."""


def with_wrong_values(good: Any) -> Iterator[tuple[str, bytes]]:
    """Yield the answer once for every place in it and every wrong value, named by both, and once without the place."""
    for path in _paths(good):
        name = ".".join(map(str, path))
        yield f"{name} missing", json.dumps(_changed(good, path, _ABSENT)).encode()
        for wrong in WRONG_VALUES:
            yield f"{name} = {str(wrong)[:20]}", json.dumps(_changed(good, path, wrong)).encode()


_ABSENT = object()


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if before:
        yield before
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _paths(each, (*before, name))
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from _paths(each, (*before, place))


def _changed(value: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    copied = dict(value) if isinstance(value, dict) else list(value)
    first, *rest = path
    if rest:
        copied[first] = _changed(value[first], tuple(rest), wrong)
    elif wrong is _ABSENT:
        del copied[first]
    else:
        copied[first] = wrong
    return copied
