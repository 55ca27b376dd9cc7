"""Updates of Salesforce about portal customers, sent even when it was unavailable at the time."""

from typing import Any
from uuid import uuid4

import pytest

from app.commands.account import report_to_salesforce
from app.commands.identity.sessions import session_store
from app.resources import Resources
from tests.personal_data.conftest import person, subject

__all__ = ["person", "subject"]


async def account(sandbox: Any, salesforce_account_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await sandbox.control.get(f"/salesforce/accounts/{salesforce_account_id}")).json()
    return found


async def test_what_was_not_told_at_the_time_is_told_later(
    resources: Resources, subject: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 1  # the sign-in alone
    monkeypatch.setattr(report_to_salesforce, "LATER_SECONDS", 0)
    await sandbox.fault("salesforce", "down", count=None)
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 0
    await sandbox.clear_faults()
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 1
    told = await account(sandbox, subject.salesforce_account_id)
    assert (told["Portal_Status__c"], told["Portal_Registration_Source__c"]) == ("Active", "Migrated")
    assert told["WH_Account__c"].startswith(f"#{subject.whmcs_client_id} - ")
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 0


async def test_a_sign_up_that_stopped_before_the_last_step_is_finished(
    resources: Resources, subject: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_to_salesforce, "LATER_SECONDS", 0)
    await resources.pool.execute(
        "INSERT INTO portal.signups (customer_number, email, step, salesforce_account_id) "
        "VALUES ($1, $2, 'stored', $3)",
        subject.customer_number,
        subject.email,
        subject.salesforce_account_id,
    )
    await report_to_salesforce.report_pending(resources.pool, resources.salesforce)
    assert (await account(sandbox, subject.salesforce_account_id))["Portal_Registration_Source__c"] == "New Signup"
    row = await resources.pool.fetchrow("SELECT step, finished_at IS NOT NULL AS finished FROM portal.signups")
    assert tuple(row) == ("done", True)


async def test_each_last_sign_in_is_sent_once(resources: Resources, subject: Any, sandbox: Any) -> None:
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 1
    first = (await account(sandbox, subject.salesforce_account_id))["Portal_Last_SignIn__c"]
    assert first
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 0
    await session_store.open_session(resources.pool, resources.settings, subject.user_id, "203.0.113.7", "browser")
    await resources.pool.execute("UPDATE portal.sessions SET created_at = created_at + interval '2 seconds'")
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 1
    assert (await account(sandbox, subject.salesforce_account_id))["Portal_Last_SignIn__c"] > first


async def test_members_of_staff_are_not_sent_to_salesforce(resources: Resources) -> None:
    user_id = uuid4()
    await resources.pool.execute(
        "INSERT INTO portal.users (id, email, role, password_hash) VALUES ($1, 'op@example.jp', 'operator', 'x')",
        user_id,
    )
    await session_store.open_session(resources.pool, resources.settings, user_id, "203.0.113.7", "browser")
    assert await report_to_salesforce.report_pending(resources.pool, resources.salesforce) == 0
