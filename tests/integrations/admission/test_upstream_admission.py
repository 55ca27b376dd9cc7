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
from app.integrations.admission.breaker import UpstreamAvailability
from app.integrations.admission.priority import background
from app.integrations.admission.upstream_admission import UpstreamAdmission

Make = Callable[[], UpstreamError]


def made(calls_per_second: float = 1000) -> UpstreamAdmission:
    return UpstreamAdmission("whmcs", calls_per_second=calls_per_second, concurrency=6)


async def call(
    admission: UpstreamAdmission, error: UpstreamError | None = None, *, key: str = "", operation: str = "op"
) -> None:
    async with admission.admitted(operation, key=key):
        if error:
            raise error


async def fail(admission: UpstreamAdmission, make: Make, times: int, *, key: str = "") -> int:
    """Make failing calls and return how many were sent."""
    sent = 0
    for number in range(times):
        with pytest.raises(UpstreamError) as caught:
            await call(admission, make(), key=key or str(number))
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
    admission = made()
    assert await fail(admission, make, 30) == most
    with pytest.raises(UpstreamUnavailable) as caught:
        await call(admission)
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
    admission = made()
    assert await fail(admission, make, 40) == 40


async def test_one_odd_record_asked_for_again_and_again_opens_nothing_among_others() -> None:
    admission = made()
    for _ in range(30):
        assert await fail(admission, timed_out, 4, key="the same") == 4
        await call(admission)


async def test_mostly_failing_opens_although_some_calls_work() -> None:
    admission = made()
    for _ in range(30):
        if admission.state == "open":
            return
        await fail(admission, timed_out, 4)
        if admission.state == "closed":
            await call(admission)
    pytest.fail("it never opened")


async def test_a_retry_after_is_passed_on() -> None:
    admission = made()
    await fail(admission, lambda: UpstreamBusy("whmcs", "op", "HTTP 429", retry_after_seconds=20), 2)
    with pytest.raises(UpstreamBusy) as caught:
        await call(admission)
    assert caught.value.retry_after_seconds in (20, 21)
    assert admission.availability().reason == "limit"


async def test_exactly_one_call_probes_and_its_success_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    admission, went, may_end = made(), [], asyncio.Event()
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.2)

    async def probe(number: int) -> None:
        async with admission.admitted("op"):
            went.append(number)
            await may_end.wait()

    attempts = [asyncio.create_task(probe(number)) for number in range(20)]
    await asyncio.sleep(0.05)
    assert (len(went), admission.state) == (1, "half_open")
    may_end.set()
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(each, UpstreamUnreached) for each in results) == 19
    assert admission.state == "closed"


async def test_a_failed_probe_opens_again_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    admission = made()
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 5.0)
    assert await fail(admission, timed_out, 10) == 1
    assert (admission.state, admission.availability().failures) == ("open", 1)
    assert admission.retry_in_seconds() > 3


async def test_a_cancelled_probe_leaves_the_way_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    admission = made()
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05), admission.admitted("op"):
            await asyncio.sleep(5)
    await asyncio.sleep(0.6)
    await call(admission)
    assert admission.state == "closed"


@pytest.mark.parametrize(("reason", "then"), [("outage", "closed"), ("limit", "open")])
async def test_a_probe_that_works_counts_though_another_process_failed_meanwhile(
    monkeypatch: pytest.MonkeyPatch, reason: str, then: str
) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    admission = made()
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    async with admission.admitted("op"):
        told = UpstreamAvailability(upstream="whmcs", state="open", since=datetime.now(UTC), reason=reason, failures=1)
        admission.adopt(told, version=7, retry_in_seconds=20.0, probe_in_seconds=0.0)
    assert admission.state == then


async def test_a_probe_of_an_outage_that_has_ended_says_nothing_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    admission = made()
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    async with admission.admitted("op"):
        admission.close()
        monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 5.0)
        await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    assert admission.state == "open"


async def test_what_began_before_it_closed_says_nothing_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    admission, end = made(), asyncio.Event()

    async def late(number: int) -> None:
        async with admission.admitted("op", key=str(number)):
            await end.wait()
            raise UpstreamUnreached("whmcs", "op")

    slow = [asyncio.create_task(late(number)) for number in range(10)]
    await asyncio.sleep(0.02)
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    await call(admission)
    end.set()
    await asyncio.gather(*slow, return_exceptions=True)
    assert admission.state == "closed"


async def test_refused_logins_open_for_a_minute_and_refused_calls_of_several_kinds_do() -> None:
    admission = made()
    assert await fail(admission, lambda: UpstreamAuthFailed("salesforce", "token", "invalid_grant"), 30) == 3
    assert (admission.availability().reason, admission.retry_in_seconds() > 55) == ("auth", True)
    admission = made()
    for number in range(6):
        with pytest.raises(UpstreamError):
            await call(admission, UpstreamAuthFailed("whmcs", f"op{number}"), operation=f"op{number}")
    assert admission.availability().reason == "auth"


async def test_a_login_that_works_does_not_hide_that_what_it_gives_is_refused() -> None:
    admission = made()
    for _ in range(3):
        async with admission.admitted("token", login=True):
            pass
        with pytest.raises(UpstreamAuthFailed):
            await call(admission, UpstreamAuthFailed("salesforce", "get:Order", vendor_code="INVALID_SESSION_ID"))
    assert admission.availability().reason == "auth"


async def test_retries_are_a_tenth_and_none_behind_an_open_breaker() -> None:
    admission = made()
    while admission.may_retry():
        pass
    for _ in range(100):
        await call(admission)
    assert sum(admission.may_retry() for _ in range(100)) in (9, 10)
    for _ in range(100):
        await call(admission)
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    assert not admission.may_retry()


async def test_background_work_leaves_calls_and_connections_to_customers() -> None:
    admission = made(calls_per_second=20)
    sent = 0

    async def sweep() -> None:
        nonlocal sent
        with background():
            while True:
                await call(admission)
                sent += 1

    sweeping = [asyncio.create_task(sweep()) for _ in range(20)]
    await asyncio.sleep(0.3)
    assert sent < 20
    async with asyncio.timeout(0.1):
        for _ in range(4):
            await call(admission)
    for task in sweeping:
        task.cancel()


async def test_what_came_back_is_asked_little_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "SHORTEST_SECONDS", 0.05)
    admission, done = made(calls_per_second=1000), 0
    await fail(admission, lambda: UpstreamUnreached("whmcs", "op"), 3)
    await asyncio.sleep(0.1)
    await call(admission)

    async def one() -> None:
        nonlocal done
        await call(admission)
        done += 1

    backlog = [asyncio.create_task(one()) for _ in range(110)]
    await asyncio.sleep(0.2)
    assert done < 60
    await asyncio.wait_for(asyncio.gather(*backlog), 30)
