"""Entity tags and content codings, read as RFC 9110 says, on both ways to an answer."""

from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.http.fast.test_connection import COLD, LIST, running
from tests.http.fast.test_path import OWN, hana, hot_routes
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running"]


async def both(api: httpx.AsyncClient, headers: Any) -> list[httpx.Response]:
    """Request the list by the ordinary route, and twice by the fast path."""
    pairs = list(headers.items()) if isinstance(headers, dict) else headers
    return [await api.get(LIST, headers=[*pairs, *more]) for more in ([("Prefer", "wait=0")], [], [])]


async def test_what_names_the_present_state_is_304_on_both_ways(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    etag = (await api.get(LIST, headers=hana)).headers["etag"]
    inner = etag.strip('"')
    fresh = [
        *([etag], [f"W/{etag}"], ["*"], ['"x"', etag], ['"x", "y"', f'"z" , W/{etag}']),
        *([f'"a,b",{etag}'], [f',, "x",,{etag},'], [f'"{inner}-gzip"'], [f'W/"{inner}-gzip"'], [f'"{inner};gzip"']),
        *([f'"{inner}--gzip"'], [f'"{inner}-br"'], ["", etag]),
    ]
    changed = [
        *(
            ['"x"'],
            ['"*"'],
            ["W/*"],
            [inner],
            [f'"{inner}'],
            [f'"{inner}-x"'],
            [f'"x{inner}"'],
            [f'w/{etag[:-2]}"'],
            [""],
        ),
        *([f'"a,{inner},b"'], [f'"{inner}-gzip-x"']),
    ]
    for lines, expected in [*((each, 304) for each in fresh), *((each, 200) for each in changed)]:
        pairs = [*hana.items(), *(("If-None-Match", line) for line in lines)]
        found = [each.status_code for each in await both(api, pairs)]
        assert found == [expected] * 3, lines


async def test_a_changed_list_is_sent_whole_for_an_old_validator(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    for each in await both(api, hana | {"If-None-Match": '"x"'}):
        assert len(each.json()["items"]) == 25


ACCEPTED = {
    "welcome": [
        *("gzip", "GZip", "gzip;q=0.9", "x-gzip", "*", "gzip;q=0.001", "br, gzip;Q=0.5", "gzip ; q=1.000"),
        *("identity, gzip", "deflate;q=0,gzip", "gzip;q=0.8, identity;q=0.8"),
    ],
    "plain": [
        *("gzip;q=0", "gzip;q=0.000", "*;q=0", "br", "", "identity", "identity, gzip;q=0.5", "gzip;q=0, *"),
        *("gzip;q=2", "gzip;q=x", "identity;q=0", "notgzip"),
    ],
    "needed": ["identity;q=0, gzip", "*;q=0, gzip", "gzip;q=0.1,identity;q=0.0", "*, identity;q=0"],
}


@pytest.mark.parametrize("expected", ACCEPTED)
async def test_answers_are_compressed_for_clients_that_accept_it(
    api: httpx.AsyncClient, hana: dict[str, str], expected: str
) -> None:
    plain = await api.get(LIST, headers={**hana, "Accept-Encoding": "identity"})
    for accepted in ACCEPTED[expected]:
        headers = {**hana, "Accept-Encoding": accepted}
        answers = [await api.get(LIST, headers=headers | {"Prefer": "wait=0"})]
        for _ in range(30):  # on a busy machine the ordinary route may answer, which packs only for who needs it
            answers.append(await api.get(LIST, headers=headers))
            if len(answers) > 3 and (expected != "welcome" or "content-encoding" in answers[-1].headers):
                break
        assert {each.content for each in answers} == {plain.content}
        packed = {each.headers.get("content-encoding") == "gzip" for each in answers}
        assert packed == {"welcome": {False, True}, "plain": {False}, "needed": {True}}[expected], accepted
        for each in answers:
            assert each.headers["vary"] == "Accept-Encoding, Portal-Version, Accept-Language"
            assert int(each.headers["content-length"]) == each.num_bytes_downloaded
            assert each.headers["etag"] == ("W/" if "content-encoding" in each.headers else "") + plain.headers["etag"]


async def test_a_client_that_refuses_plain_bytes_gets_none_from_any_route(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], settings: Settings
) -> None:
    refusing = {**hana, "Accept-Encoding": "gzip, identity;q=0"}
    hot = [route.template.format(**OWN) for route in hot_routes(running, settings)]
    for path in [*hot, COLD, "/schema/openapi.json", "/nowhere"]:
        for more in ({}, {"Prefer": "wait=0"}):
            found = await api.get(path, headers=refusing | more)
            assert found.headers["content-encoding"] == "gzip", path
            assert found.json()
        head = await api.head(path, headers=refusing)
        assert head.headers["content-encoding"] == "gzip", path
