"""Log-ins are limited upstream: while tokens are refused, or refused as soon as they are used, few are asked for."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.errors import UpstreamAuthFailed, UpstreamError, UpstreamUnavailable
from app.integrations import pacing
from app.integrations.pacing import Pacing
from tests.integrations.salesforce.rude import Asked, RudeOrg, encoded, framed, refused, rude_org


@pytest_asyncio.fixture
async def org(salesforce: Any, tmp_path: Any) -> AsyncIterator[RudeOrg]:
    async with rude_org(salesforce, tmp_path, salesforce_concurrency=8) as running:
        yield running


async def no_token(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(framed(json.dumps({"error": "invalid_client", "error_description": "no"}).encode(), 401))


async def busy_for(org: RudeOrg, seconds: float) -> list[UpstreamError]:
    """Callers that never stop asking."""
    errors: list[UpstreamError] = []
    ends_at = time.monotonic() + seconds

    async def ask() -> None:
        while time.monotonic() < ends_at:
            try:
                await org.client.query("SELECT Id FROM Order")
            except UpstreamError as error:
                errors.append(error)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(ask() for _ in range(10)))
    return errors


async def test_refused_tokens_are_requested_less_and_less_often(org: RudeOrg) -> None:
    org.tokens = no_token
    errors = await busy_for(org, 4)
    assert 2 <= org.token_requests <= 5  # after 0, 1, 3 s
    assert org.calls == []
    assert {type(error) for error in errors} == {UpstreamAuthFailed}
    assert "next attempt in" in str(errors[-1])


async def test_tokens_that_are_refused_as_soon_as_they_are_used_are_paced_too(org: RudeOrg) -> None:
    org.answers(lambda asked: refused("INVALID_SESSION_ID", 401))
    errors = await busy_for(org, 4)
    assert org.token_requests <= 6
    assert {type(error) for error in errors} == {UpstreamAuthFailed}
    assert len(org.calls) <= 10 * org.token_requests + 10, "nobody goes on with a token that was refused"


async def test_all_is_well_with_the_first_success(org: RudeOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    org.tokens = no_token
    await busy_for(org, 0.5)
    org.tokens = None
    async with asyncio.timeout(30):
        while True:
            try:
                assert await org.client.count("Order") == 1
                break
            except UpstreamError:
                await asyncio.sleep(0.1)
    before = org.token_requests
    for _ in range(3):  # sessions that were of use and ended are renewed at once
        ended = iter([refused("INVALID_SESSION_ID", 401)])
        org.answers(lambda asked, ended=ended: next(ended, None) or encoded(asked))  # type: ignore[misc]
        assert await org.client.count("Order") == 1
        before += 1
    assert org.token_requests <= 1


def test_a_pause_grows_has_an_end_and_is_never_the_same_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(pacing.time, "monotonic", lambda: clock[0])
    paced, pauses = Pacing(), []
    for _ in range(12):
        paced.failed(UpstreamAuthFailed("salesforce", "token", "no", vendor_code="invalid_client"))
        pauses.append(paced._ends_at - clock[0])
        with pytest.raises(UpstreamAuthFailed) as raised:
            paced.check()
        assert raised.value.vendor_code == "invalid_client"
        clock[0] = paced._ends_at
        paced.check()
    assert all(0.75 <= pause <= 60 for pause in pauses)
    assert pauses[3] > pauses[0] * 4
    assert pauses[-1] >= 45
    assert len(set(pauses)) == 12
    paced.succeeded()
    paced.failed(UpstreamAuthFailed("salesforce", "token", "no"))
    assert paced._ends_at - clock[0] <= 1


def test_what_reached_nobody_is_tried_again_within_seconds() -> None:
    paced = Pacing()
    for _ in range(12):
        paced.failed(UpstreamUnavailable("salesforce", "token", "refused"))
    assert paced._ends_at - time.monotonic() <= 5
