"""What a customer can do now: every rule, and what is not known is never the favourable answer."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.readmodels.ordering.capabilities import AccountFacts, CommandNeeds, UpstreamOutage, capability

NOW = datetime(2026, 1, 31, 12, 0, 20, tzinfo=UTC)
FINE = AccountFacts(has={"invoice": True, "service": True, "payment_method": True}, order_refusal=None, room=1)


def needs(what: str = "nothing", *upstreams: str, queues: bool = False) -> CommandNeeds:
    return CommandNeeds(name="it", upstreams=upstreams, queues=queues, needs=what)


def outage(upstream: str, *durations: float, since: float = 60.0, retry: float | None = None) -> UpstreamOutage:
    retry_at = None if retry is None else NOW + timedelta(seconds=retry)
    began = NOW - timedelta(seconds=since)
    return UpstreamOutage(upstream=upstream, since=began, retry_at=retry_at, durations_seconds=list(durations))


@pytest.mark.parametrize("what", ["invoice", "service", "payment_method"])
@pytest.mark.parametrize(
    ("held", "available", "code"), [(True, True, None), (False, False, "own"), (None, False, "not_known_yet")]
)
def test_what_a_command_needs_must_be_there_and_known(
    what: str, held: bool | None, available: bool, code: str | None
) -> None:
    own = {
        "invoice": "no_open_invoice",
        "service": "subscription_not_active",
        "payment_method": "payment_method_missing",
    }
    facts = AccountFacts(has={what: held}, order_refusal=None, room=1)
    found = capability(needs(what), facts, {}, NOW)
    assert (found.command, found.available, found.queued) == ("it", available, False)
    assert found.code == (own[what] if code == "own" else code)
    assert (found.reason is None) == available


def test_a_fact_that_nobody_collected_counts_as_unknown() -> None:
    facts = AccountFacts(has={}, order_refusal=None, room=1)
    assert capability(needs("invoice"), facts, {}, NOW).code == "not_known_yet"
    assert capability(needs(), facts, {}, NOW).available


def test_an_account_that_may_not_order_is_told_why() -> None:
    facts = AccountFacts(has={}, order_refusal=("account_closed", "It is closed."), room=1)
    found = capability(needs("order"), facts, {"whmcs": outage("whmcs")}, NOW)
    assert (found.available, found.code, found.reason, found.until) == (False, "account_closed", "It is closed.", None)
    assert capability(needs("order"), FINE, {}, NOW).available


@pytest.mark.parametrize(
    ("upstream", "code"),
    [
        ("whmcs", "billing_unavailable"),
        ("salesforce", "upstream_unavailable"),
        ("freebit", "network_unavailable"),
        ("whm", "hosting_unavailable"),
    ],
)
def test_an_outage_of_what_it_needs_and_of_nothing_else_makes_it_unavailable(upstream: str, code: str) -> None:
    found = capability(needs("nothing", upstream), FINE, {upstream: outage(upstream)}, NOW)
    assert (found.available, found.queued, found.code) == (False, False, code)
    assert found.reason
    other = capability(needs("nothing", "another"), FINE, {upstream: outage(upstream)}, NOW)
    assert (other.available, other.code, other.until) == (True, None, None)


def test_what_can_wait_is_accepted_while_there_is_room() -> None:
    away = {"whmcs": outage("whmcs", 600.0)}
    found = capability(needs("nothing", "whmcs", queues=True), FINE, away, NOW)
    assert (found.available, found.queued, found.code) == (True, True, "queued_until_available")
    assert (
        found.reason == "The billing system is unavailable. Your change is kept, and made when it is available again."
    )
    full = AccountFacts(has={}, order_refusal=None, room=0)
    found = capability(needs("nothing", "whmcs", queues=True), full, away, NOW)
    assert (found.available, found.queued, found.code) == (False, False, "too_many_queued")
    assert found.until is not None
    assert found.reason


@pytest.mark.parametrize(
    ("of", "minute"),
    [
        (outage("whmcs", 600.0), 10),  # 540 seconds are left: 12:09:20
        (outage("whmcs", 600.0, retry=900.0), 16),
        (outage("whmcs", 600.0, retry=10.0), 10),
        (outage("whmcs", since=60.0), 2),  # outlasted the first guess
        (outage("whmcs", 100.0, since=-5.0), 3),
    ],
)
def test_until_is_what_was_measured_in_whole_minutes(of: UpstreamOutage, minute: int) -> None:
    assert of.until(NOW) == datetime(2026, 1, 31, 12, minute, tzinfo=UTC)


def test_of_several_outages_the_longest_counts() -> None:
    away = {"whmcs": outage("whmcs", 600.0), "salesforce": outage("salesforce", 6_000.0)}
    found = capability(needs("nothing", "whmcs", "salesforce"), FINE, away, NOW)
    assert found.code == "billing_unavailable"
    assert found.until == away["salesforce"].until(NOW)


@given(
    st.sampled_from(["nothing", "order", "invoice", "service", "payment_method"]),
    st.sets(st.sampled_from(["whmcs", "salesforce", "freebit", "whm"])),
    st.sets(st.sampled_from(["whmcs", "salesforce", "freebit", "whm"])),
    st.booleans(),
    st.integers(-1, 2),
)
def test_nothing_is_available_at_once_while_what_it_needs_is_away(
    what: str, upstreams: set[str], away: set[str], queues: bool, room: int
) -> None:
    facts = AccountFacts(has=FINE.has, order_refusal=None, room=room)
    of = needs(what, *sorted(upstreams), queues=queues)
    found = capability(of, facts, {each: outage(each) for each in away}, NOW)
    assert (found.available and not found.queued) == (not upstreams & away)
    assert not found.queued or (queues and room > 0)
    assert (found.code is None) == (found.reason is None) == (found.available and not found.queued)
