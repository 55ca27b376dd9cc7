"""Limits: by address where nobody is known, by account where somebody is, and with Redis away too."""

from typing import Any

import msgspec
import pytest

from app.settings import Settings

AWAY = "redis://127.0.0.1:9/0"


@pytest.mark.parametrize("redis_is_away", [False, True])
async def test_one_too_many_is_a_429_that_says_when_to_come_back(
    serve: Any, settings: Settings, redis_is_away: bool
) -> None:
    changes = {"public_rate_per_minute": 3, **({"redis_url": AWAY} if redis_is_away else {})}
    async with serve(msgspec.structs.replace(settings, **changes)) as api:
        answers = [await api.get("/api/public/services/nothing") for _ in range(8)]
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(404) in range(3, 7)  # the minute may have turned between two requests
    refused = answers[statuses.index(429)]
    assert refused.json()["code"] == "rate_limited"
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == '"public";q=3;w=60'
    assert refused.headers["ratelimit"].startswith('"public";r=0;t=')
    assert answers[0].headers["ratelimit"].startswith('"public";r=2;t=')


async def test_each_account_has_its_own_allowance(
    serve: Any, settings: Settings, add_customer: Any, log_in: Any
) -> None:
    await add_customer("hana")
    await add_customer("kenji")
    async with serve(msgspec.structs.replace(settings, account_rate_per_minute=2)) as api:
        hana, kenji = [{"authorization": f"Bearer {(await log_in(api, name))['token']}"} for name in ("hana", "kenji")]
        assert 429 in [(await api.get("/api/auth/me", headers=hana)).status_code for _ in range(6)]
        assert (await api.get("/api/auth/me", headers=kenji)).status_code == 200


async def test_requests_without_a_session_count_against_their_address(serve: Any, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, public_rate_per_minute=3)) as api:
        answers = [await api.get("/api/orders", headers={"authorization": f"Bearer {n}"}) for n in range(8)]
    assert {answer.status_code for answer in answers} == {401, 429}


async def test_a_forwarded_address_counts_only_when_a_trusted_proxy_names_it(serve: Any, settings: Settings) -> None:
    strict = msgspec.structs.replace(settings, public_rate_per_minute=3)

    async def statuses(settings: Settings) -> set[int]:
        async with serve(settings) as api:
            headers = [{"x-forwarded-for": f"evil, 198.51.100.{n}"} for n in range(9)]
            return {(await api.get("/api/public/services/none", headers=each)).status_code for each in headers}

    assert await statuses(strict) == {404, 429}
    assert await statuses(msgspec.structs.replace(strict, trusted_proxies="203.0.113.7")) == {404}


async def test_health_and_webhooks_are_never_refused(serve: Any, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, public_rate_per_minute=1)) as api:
        assert {(await api.get("/api/health/live")).status_code for _ in range(5)} == {200}
        assert {(await api.post("/webhooks/whmcs", content=b"{}")).status_code for _ in range(5)} == {401}
