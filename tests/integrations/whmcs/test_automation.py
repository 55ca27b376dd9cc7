"""WHMCS's own automation: what is spelled otherwise is unknown, and never a task that is off."""

from datetime import UTC, date, datetime

import pytest

from app.errors import UpstreamAuthFailed, UpstreamUnavailable
from app.intake import unreadable
from app.integrations.whmcs.client import WhmcsClient
from app.settings import BILLING_TASKS
from tests.integrations.conftest import settings
from tests.integrations.scripted import Reply
from tests.integrations.whmcs.answers import refused, success

SINCE = date(2026, 11, 23)
NOW = {"currentDatetime": "2026-11-30 10:00:00"}


async def test_the_log_is_read_on_the_servers_clock(whmcs, upstream):
    upstream.will(
        success(
            **NOW,
            lastDailyCronInvocationTime="2026-11-30 09:00:04",
            statistics={
                "2026-11-28": {"AutoSuspensions": {"suspended": "1", "manual": "0"}},
                "2026-11-29": {
                    "AutoSuspensions": {"suspended": 0},
                    "ProcessCreditCardPayments": {"captured": "0", "failures": "3"},
                    "InvoiceReminders": {"unpaid": 0, "overdue.first": 2},
                },
                "2026-11-30": {"AutoSuspensions": {"manual": 4}, "AddLateFees": {"invoice.latefees": "0"}},
            },
        )
    )
    found = await whmcs.automation_log(SINCE)
    assert upstream.forms()[0]["startdate"] == "2026-11-23"
    assert found.clock == datetime(2026, 11, 30, 1, 0, tzinfo=UTC)
    assert found.last_run_at == datetime(2026, 11, 30, 0, 0, 4, tzinfo=UTC)
    assert found.did == {
        "suspension": date(2026, 11, 28),
        "captures": date(2026, 11, 29),
        "reminders": date(2026, 11, 29),
    }


@pytest.mark.parametrize("never", ["", None, "0000-00-00 00:00:00", "-0001-11-30 00:00:00"])
async def test_a_daily_run_that_never_was(whmcs, upstream, never):
    upstream.will(success(**NOW, lastDailyCronInvocationTime=never, statistics=[]))
    found = await whmcs.automation_log(SINCE)
    assert (found.last_run_at, found.did) == (None, {})
    assert unreadable.taken() == []


async def test_a_run_ahead_of_the_servers_clock_proves_nothing(whmcs, upstream):
    upstream.will(success(**NOW, lastDailyCronInvocationTime="2027-01-01 09:00:00", statistics=[]))
    assert (await whmcs.automation_log(SINCE)).last_run_at is None


async def test_a_time_that_the_clock_shows_twice_is_the_earlier_one(upstream):
    whmcs = await WhmcsClient.open(settings(whmcs_url=upstream.url, whmcs_time_zone="Europe/Berlin"))
    upstream.will(
        success(currentDatetime="2026-10-25 09:00:00", lastDailyCronInvocationTime="2026-10-25 02:30:00", statistics=[])
    )
    assert (await whmcs.automation_log(SINCE)).last_run_at == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    await whmcs.close()


@pytest.mark.parametrize(
    ("statistics", "did"),
    [
        ("....", None),
        (7, None),
        ([{"x": 1}], None),
        ({"2026-11-30": "x", "junk": {"AutoSuspensions": {"suspended": 9}}}, {}),
        ({"2026-11-30": {"autosuspensions": {"Suspended": "2.0"}}}, {"suspension": date(2026, 11, 30)}),
        (
            {"2026-11-30": {"AutoSuspensions": [], "AutoTerminations": {"terminations": "many"}}},
            {"termination": date(2026, 11, 30)},
        ),
        ({"30/11/2026": {"AutoTerminations": {"terminations": 1}}}, {"termination": date(2026, 11, 30)}),
    ],
)
async def test_statistics_of_any_shape(whmcs, upstream, statistics, did):
    upstream.will(success(**NOW, lastDailyCronInvocationTime="2026-11-30 09:00:00", statistics=statistics))
    found = await whmcs.automation_log(SINCE)
    assert found.did == did
    assert (len(unreadable.taken()) == 1) is (did is None)


async def test_a_role_without_the_action_is_named(whmcs, upstream):
    upstream.will(refused('Invalid Permissions: API action "getautomationlog" is not allowed', 403))
    with pytest.raises(UpstreamAuthFailed):
        await whmcs.automation_log(SINCE)


@pytest.mark.parametrize(
    ("task", "value", "on"),
    [
        ("suspension", "on", True),
        ("suspension", "", False),
        ("suspension", None, False),
        ("suspension", "maybe", None),
        ("suspension", ["on"], None),
        ("termination", "1", True),
        ("reminders", "off", False),
        ("late_fees", "0.00", False),
        ("late_fees", "", False),
        ("late_fees", "10.00", True),
        ("late_fees", "ten", None),
    ],
)
async def test_switches(whmcs, upstream, task, value, on):
    upstream.will(success(setting="X", value=value))
    assert await whmcs.is_switched_on(task) is on


async def test_a_switch_that_cannot_be_read_is_unknown(whmcs, upstream):
    assert await whmcs.is_switched_on("captures") is None
    assert upstream.asked == []
    for reply in (
        refused("Invalid name for parameter setting"),
        refused("Invalid Permissions", 403),
        success(setting="X"),
    ):
        upstream.will(reply)
        assert await whmcs.is_switched_on("suspension") is None
    upstream.will(Reply(status=503))
    with pytest.raises(UpstreamUnavailable):
        await whmcs.is_switched_on("suspension")


def test_every_task_has_its_counters():
    from app.integrations.whmcs.automation import STATISTICS, SWITCHES

    assert set(STATISTICS) == set(BILLING_TASKS)
    assert set(BILLING_TASKS) - set(SWITCHES) == {"captures"}
