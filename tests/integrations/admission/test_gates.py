"""The breaker of one process alone: what opens it, what does not, and what happens while it is open."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
    UpstreamUnreached,
)
from app.integrations.admission import pauses
from app.integrations.admission.gates import Gate, UpstreamAvailability
from app.integrations.admission.lanes import background

Make = Callable[[], UpstreamError]


def made(calls_per_second: float = 1000) -> Gate:
    return Gate("whmcs", calls_per_second=calls_per_second, concurrency=6)


async def call(gate: Gate, error: UpstreamError | None = None, *, key: str = "", operation: str = "op") -> None:
    async with gate.admitted(operation, key=key):
        if error:
            raise error


async def fail(gate: Gate, make: Make, times: int, *, key: str = "") -> int:
    """Make failing calls and return how many were sent."""
    sent = 0
    for number in range(times):
        with pytest.raises(UpstreamError) as caught:
            await call(gate, make(), key=key or str(number))
        sent += caught.value.vendor_code != "breaker_open"
    return sent


def timed_out() -> UpstreamError:
    return UpstreamUnavailable("whmcs", "op", "slow", vendor_code="timeout")


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda: UpstreamBusy("whmcs", "op", "HTTP 429", retry_after_seconds=20), 2),
        (lambda: UpstreamUnavailable("whmcs", "op", "HTTP 500", retry_after_seconds=20), 2),
        (lambda: OutcomeUnknown("whmcs", "op", "HTTP 500", retry_after_seconds=20), 2),
        (lambda: UpstreamBusy("salesforce", "op", "", vendor_code="REQUEST_LIMIT_EXCEEDED"), 2),
        (lambda: UpstreamBusy("whmcs", "op", "HTTP 503"), 3),
        (lambda: UpstreamBusy("freebit", "op", "", vendor_code="503-"), 3),
        (lambda: UpstreamUnreached("whmcs", "op", "refused"), 3),
        (lambda: UpstreamUnavailable("whmcs", "op", "HTTP 502"), 5),
        (timed_out, 5),
        (lambda: OutcomeUnknown("whmcs", "op", "HTTP 504"), 5),
    ],
    ids=["429", "500-told", "write-told", "limit", "503", "freebit", "unreached", "502", "timeout", "write-504"],
)
async def test_an_outage_opens_after_a_few_calls_and_the_rest_fail_at_once(make: Make, most: int) -> None:
    gate = made()
    assert await fail(gate, make, 30) == most
    with pytest.raises(UpstreamUnavailable) as caught:
        await call(gate)
    assert caught.value.retry_after_seconds
    assert caught.value.retry_after_seconds >= 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: UpstreamRejected("whmcs", "op", "no"),
        lambda: UpstreamNotFound("whmcs", "op", "no"),
        lambda: UpstreamMalformed("whmcs", "op", "what"),
        lambda: UpstreamBusy("whmcs", "op", "locked", vendor_code="busy"),
        lambda: UpstreamBusy("salesforce", "op", "", vendor_code="UNABLE_TO_LOCK_ROW"),
        lambda: UpstreamBusy("whmcs", "op", "no free slot", vendor_code="no_slot"),
        lambda: UpstreamAuthFailed("whmcs", "op", "this action alone"),
    ],
    ids=["rejected", "absent", "malformed", "busy", "locked", "slot", "one-operation"],
)
async def test_refusals_and_single_bad_answers_open_nothing(make: Make) -> None:
    gate = made()
    assert await fail(gate, make, 40) == 40


async def test_one_odd_record_asked_for_again_and_again_opens_nothing_among_others() -> None:
    gate = made()
    for _ in range(30):
        assert await fail(gate, timed_out, 4, key="the same") == 4
        await call(gate)


async def test_mostly_failing_opens_although_some_calls_work() -> None:
    gate = made()
    for _ in range(30):
        if gate.state == "open":
            return
        await fail(gate, timed_out, 4)
        if gate.state == "closed":
            await call(gate)
    pytest.fail("it never opened")


async def test_a_retry_after_is_passed_on() -> None:
    gate = made()
    await fail(gate, lambda: UpstreamBusy("whmcs", "op", "HTTP 429", retry_after_seconds=20), 2)
    with pytest.raises(UpstreamBusy) as caught:
        await call(gate)
    assert caught.value.retry_after_seconds in (20, 21)
    assert gate.standing().reason == "limit"


async def test_exactly_one_call_probes_and_its_success_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    gate, went, may_end = made(), [], asyncio.Event()
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.2)

    async def probe(number: int) -> None:
        async with gate.admitted("op"):
            went.append(number)
            await may_end.wait()

    attempts = [asyncio.create_task(probe(number)) for number in range(20)]
    await asyncio.sleep(0.05)
    assert (len(went), gate.state) == (1, "half_open")
    may_end.set()
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(each, UpstreamUnreached) for each in results) == 19
    assert gate.state == "closed"


async def test_a_failed_probe_opens_again_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    gate = made()
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 5.0)
    assert await fail(gate, timed_out, 10) == 1
    assert (gate.state, gate.standing().failures) == ("open", 1)
    assert gate.retry_in_seconds() > 3


async def test_a_cancelled_probe_leaves_the_way_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    gate = made()
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), gate.admitted("op"):
            await asyncio.sleep(5)
    await asyncio.sleep(0.6)
    await call(gate)
    assert gate.state == "closed"


@pytest.mark.parametrize(("reason", "then"), [("outage", "closed"), ("limit", "open")])
async def test_a_probe_that_works_counts_though_another_process_failed_meanwhile(
    monkeypatch: pytest.MonkeyPatch, reason: str, then: str
) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    gate = made()
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    async with gate.admitted("op"):
        told = UpstreamAvailability(upstream="whmcs", state="open", since=datetime.now(UTC), reason=reason, failures=1)
        gate.adopt(told, version=7, retry_in_seconds=20.0, probe_in_seconds=0.0)
    assert gate.state == then


async def test_a_probe_of_an_outage_that_has_ended_says_nothing_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    gate = made()
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    async with gate.admitted("op"):
        gate.close()
        monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 5.0)
        await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    assert gate.state == "open"


async def test_what_began_before_it_closed_says_nothing_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    gate, end = made(), asyncio.Event()

    async def late(number: int) -> None:
        async with gate.admitted("op", key=str(number)):
            await end.wait()
            raise UpstreamUnreached("whmcs", "op")

    slow = [asyncio.create_task(late(number)) for number in range(10)]
    await asyncio.sleep(0.02)
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    await call(gate)
    end.set()
    await asyncio.gather(*slow, return_exceptions=True)
    assert gate.state == "closed"


async def test_refused_logins_open_for_a_minute_and_refused_calls_of_several_kinds_do() -> None:
    gate = made()
    assert await fail(gate, lambda: UpstreamAuthFailed("salesforce", "token", "invalid_grant"), 30) == 3
    assert (gate.standing().reason, gate.retry_in_seconds() > 55) == ("auth", True)
    gate = made()
    for number in range(6):
        with pytest.raises(UpstreamError):
            await call(gate, UpstreamAuthFailed("whmcs", f"op{number}"), operation=f"op{number}")
    assert gate.standing().reason == "auth"


async def test_a_login_that_works_does_not_hide_that_what_it_gives_is_refused() -> None:
    gate = made()
    for _ in range(3):
        async with gate.admitted("token", login=True):
            pass
        with pytest.raises(UpstreamAuthFailed):
            await call(gate, UpstreamAuthFailed("salesforce", "get:Order", vendor_code="INVALID_SESSION_ID"))
    assert gate.standing().reason == "auth"


async def test_retries_are_a_tenth_and_none_behind_an_open_breaker() -> None:
    gate = made()
    while gate.may_retry():
        pass
    for _ in range(100):
        await call(gate)
    assert sum(gate.may_retry() for _ in range(100)) in (9, 10)
    for _ in range(100):
        await call(gate)
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    assert not gate.may_retry()


async def test_background_work_leaves_calls_and_connections_to_customers() -> None:
    gate = made(calls_per_second=20)
    sent = 0

    async def sweep() -> None:
        nonlocal sent
        with background():
            while True:
                await call(gate)
                sent += 1

    sweeping = [asyncio.create_task(sweep()) for _ in range(20)]
    await asyncio.sleep(0.3)
    assert sent < 20
    async with asyncio.timeout(0.1):
        for _ in range(4):
            await call(gate)
    for task in sweeping:
        task.cancel()


async def test_what_came_back_is_asked_little_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    gate, done = made(calls_per_second=1000), 0
    await fail(gate, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    await call(gate)

    async def one() -> None:
        nonlocal done
        await call(gate)
        done += 1

    backlog = [asyncio.create_task(one()) for _ in range(110)]
    await asyncio.sleep(0.2)
    assert done < 60
    await asyncio.wait_for(asyncio.gather(*backlog), 30)
