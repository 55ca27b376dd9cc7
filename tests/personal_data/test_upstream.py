"""`--upstream`: the person goes in WHMCS and Salesforce too, also when that is asked for later or fails at first."""

from typing import Any

import pytest

from app.errors import Conflict, NotFound
from app.personal_data import subject as subjects
from app.personal_data.subject import Subject
from app.personal_data.upstream import CLOSE_STEP, UPSTREAM_STEPS
from app.resources import Resources
from tests.personal_data.test_erase import erased, leaks

SUITE = "Suite 901 Erase Tower"


async def told_of(sandbox: Any, subject: Subject) -> str:
    """Everything the upstreams hold of client and account, as text."""
    client = await sandbox.control.get(f"/whmcs/clients/{subject.whmcs_client_id}")
    account = await sandbox.control.get(f"/salesforce/accounts/{subject.salesforce_account_id}")
    assert (client.status_code, account.status_code) == (200, 200)
    return f"{client.text}\n{account.text}"


async def test_nothing_of_the_person_stays_in_client_and_account(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    await sandbox.control.patch(
        f"/whmcs/clients/{subject.whmcs_client_id}", json={"address2": SUITE, "notes": SUITE, "silent": True}
    )
    account = {"WH_Account__c": f"#1 - {person['last_name']}", "Phone": person["phone"], "BillingStreet": SUITE}
    await sandbox.control.patch(f"/salesforce/accounts/{subject.salesforce_account_id}", json=account)
    assert SUITE in await told_of(sandbox, subject)
    await erased(resources, subject, upstream=UPSTREAM_STEPS)
    text = await told_of(sandbox, subject)
    words = [person["email"], person["phone"], person["address"]["address1"], person["last_name"], SUITE]
    assert [word for word in words if word in text] == []
    assert f"#{subject.whmcs_client_id}" in text
    assert '"Active"' in text.partition("\n")[0]


async def test_it_can_be_asked_for_later(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    await erased(resources, subject)
    assert person["email"] in await told_of(sandbox, subject)
    again = await subjects.to_erase(resources.pool, person["email"], list(UPSTREAM_STEPS))
    await erased(resources, again, upstream=UPSTREAM_STEPS)
    assert person["email"] not in await told_of(sandbox, subject)
    with pytest.raises(NotFound, match="Nothing is left to do here"):
        await subjects.to_erase(resources.pool, person["email"], list(UPSTREAM_STEPS))


async def test_an_upstream_that_is_away_is_gone_on_with(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    await sandbox.fault("whmcs", "down", "UpdateClient", 5)
    with pytest.raises(Conflict, match=r"Everything here is erased.*whmcs failed.*same command again") as stopped:
        await erased(resources, subject, upstream=UPSTREAM_STEPS)
    assert stopped.value.code == "erasure_unfinished"
    assert await leaks(resources, person) == []
    await sandbox.clear_faults()
    again = await subjects.to_erase(resources.pool, person["email"], [])
    await erased(resources, again, upstream=UPSTREAM_STEPS)
    assert person["email"] not in await told_of(sandbox, subject)


async def test_the_client_is_closed_when_asked(resources: Resources, subject: Subject, sandbox: Any) -> None:
    await erased(resources, subject, upstream={**UPSTREAM_STEPS, **CLOSE_STEP})
    assert '"Closed"' in (await told_of(sandbox, subject)).partition("\n")[0]
