"""Every text of every body has a rule for how it is spelled, or is named here as something that nobody spells."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from app.inputs.kinds import is_struct, item_of, kind_of

SECRETS = {"password", "current_password", "new_password", "token", "link_token"}
"""Compared as a whole, a password in its NFKC form."""
IDS = {"sku", "gateway", "up_to", "invoice_ids", "amount", "currency"}
"""Copied from an answer of ours, compared or looked up as a whole, and refused when they are nobody's."""
HARMFUL = ("a\r\nb", "\x1b[2J", "a\u202eb", "a\u2028b", "\x85")


def texts(annotation: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each text of a type: where it is, and its rule."""
    kind = kind_of(annotation)
    if kind.rule or kind.only is None:
        if kind.rule:
            yield path, kind.rule
    elif (item := item_of(kind.only)) is not None:
        yield from texts(item, path)
    elif is_struct(kind.only):
        for field in msgspec.structs.fields(kind.only):
            yield from texts(field.type, (*path, field.encode_name))
    elif kind.only is not annotation:
        yield from texts(kind.only, path)
    elif kind.only is str:
        yield path, None


@pytest.fixture
def bodies(running: tuple[Litestar, httpx.AsyncClient]) -> dict[str, Any]:
    app, _ = running
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    found = [(route.path, handler.parsed_data_field) for route in routes for handler in route.route_handlers]
    return {path: field.annotation for path, field in found if field}


async def test_every_text_of_every_body_has_a_rule(bodies: dict[str, Any]) -> None:
    assert len(bodies) > 20
    without = {
        f"{path} {'.'.join(at)}"
        for path, kind in bodies.items()
        for at, rule in texts(kind)
        if rule is None and at[-1] not in SECRETS | IDS
    }
    assert without == set()


async def test_no_rule_lets_a_line_break_through_but_those_of_several_lines(bodies: dict[str, Any]) -> None:
    for path, kind in bodies.items():
        for at, rule in texts(kind):
            if rule is None or at[-1] in ("description", "body") or path.endswith("/cancel"):
                continue
            for harmful in HARMFUL:
                try:
                    found = rule.read(f"x{harmful}y")
                except ValueError:
                    continue
                assert not set(found) & set("\r\n\x1b\u202e\u2028\x85"), f"{path} {at} {found!r}"


async def test_no_pattern_of_a_body_ends_before_a_line_break(api: httpx.AsyncClient) -> None:
    """`$` also matches before a last line break: whoever wants the end of a text says so by a rule."""
    document = (await api.get("/schema/openapi.json")).json()

    def patterns(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from (each for name, each in value.items() if name == "pattern" and isinstance(each, str))
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from patterns(each)

    assert [each for each in patterns(document["components"]) if each.endswith("$")] == []
