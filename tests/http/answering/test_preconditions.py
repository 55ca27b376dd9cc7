"""An edit that its caller decided on the present state goes through, however that state is named on its way."""

from typing import Any

import httpx
import pytest

from tests.http.logged_in import api, desk, hana, short_timeouts

__all__ = ["api", "desk", "hana", "short_timeouts"]

ADDRESS = {"address1": "1-1", "city": "Chiyoda", "state": "Tokyo", "postcode": "100-0001", "country": "JP"}
PRESENT = {
    "as it is": ['"{}"'],
    "weakened": ['W/"{}"'],
    "marked": ['"{}-gzip"'],
    "marked and weakened": ['W/"{}-gzip"'],
    "marked by another": ['"{};gzip"'],
    "another coding": ['"{}-br"'],
    "in a list": ['"a,b", "c" ,W/"{}"'],
    "in the second of two lines": ['"x", "y"', '"{}"'],
    "any": ["*"],
}
FORMER = {
    "another": ['"x"'],
    "others": ['"x"', 'W/"y-gzip"'],
    "part of it": ['"x{}"'],
    "not quoted": ["{}"],
    "any, quoted": ['"*"'],
    "nothing": [""],
}


async def edit(api: httpx.AsyncClient, lines: list[str]) -> httpx.Response:
    seen = (await api.get("/api/account/address")).headers["etag"].removeprefix("W/").strip('"')
    pairs = [("If-Match", line.replace("{}", seen)) for line in lines]
    return await api.put("/api/account/address", json=ADDRESS, headers=[*api.headers.items(), *pairs])


@pytest.mark.parametrize("lines", PRESENT.values(), ids=PRESENT)
async def test_an_edit_of_the_present_state_is_accepted(api: httpx.AsyncClient, lines: list[str]) -> None:
    answer = await edit(api, lines)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("lines", FORMER.values(), ids=FORMER)
async def test_an_edit_of_another_state_is_refused(api: httpx.AsyncClient, sandbox: Any, lines: list[str]) -> None:
    before = len(await sandbox.calls("whmcs"))
    answer = await edit(api, lines)
    assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert not [each for each in (await sandbox.calls("whmcs"))[before:] if each["operation"] == "UpdateClient"]


async def test_the_validator_of_a_packed_answer_is_good_for_an_edit(api: httpx.AsyncClient) -> None:
    packed = await api.get("/api/account/address", headers={"Accept-Encoding": "gzip, identity;q=0"})
    assert packed.headers["etag"].startswith("W/")
    answer = await api.put("/api/account/address", json=ADDRESS, headers={"If-Match": packed.headers["etag"]})
    assert answer.status_code == 200, answer.text
