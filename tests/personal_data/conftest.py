"""A linked customer of the sandbox with everything: orders, invoices, services, a card, a session, an audit trail."""

import copy
from typing import Any
from uuid import uuid4

import pytest

from app.audit import Operator
from app.clock import now
from app.commands.identity.sessions import session_store
from app.events import Change
from app.ingest.refetch import owners
from app.personal_data import subject as subjects
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.fixtures.linked import add_account
from tests.fixtures.linked import settle_all as settle

OPERATOR = Operator(name="test")


STREET = "77-7 Nowhere Else"


@pytest.fixture
async def person(sandbox: Any) -> dict[str, Any]:
    """A customer at an address that is nobody else's, in WHMCS and on every order."""
    found: dict[str, Any] = copy.deepcopy(sandbox.customer(with_whmcs=True))
    found["address"]["address1"] = STREET
    body = {"address1": STREET, "silent": True}
    await sandbox.control.patch(f"/whmcs/clients/{found['whmcs_client_id']}", json=body)
    query = {"AccountId": found["salesforce_account_id"]}
    for order in (await sandbox.control.get("/salesforce/orders", params=query)).json()["records"]:
        await sandbox.control.patch(f"/salesforce/orders/{order['Id']}", json={"BillingStreet": STREET})
    return found


@pytest.fixture
async def subject(resources: Resources, person: dict[str, Any]) -> Subject:
    user_id, account_id = await add_account(resources.pool, person, password_hash="hash")
    await session_store.open_session(resources.pool, resources.settings, user_id, "203.0.113.7", "browser")
    await resources.pool.execute(
        "INSERT INTO portal.audit (action, outcome, user_id, address) VALUES ('log_in', 'ok', $1, '203.0.113.7')",
        user_id,
    )
    await owners.link(resources.inbox, account_id, person["whmcs_client_id"], person["salesforce_account_id"])
    await settle(resources)
    return await subjects.find(resources.pool, person["email"])


async def merged_from(resources: Resources, subject: Subject, client_id: str, data: dict[str, Any]) -> None:
    """Return a WHMCS client, still mirrored, that staff merged into the subject's."""
    await resources.pool.execute(
        "INSERT INTO mirror.records (source, object, record_id, owner_id, data, version, deleted, occurred_at, "
        "verified_at) VALUES ('whmcs', 'client', $1, $1, $2, 1, true, now(), now())",
        client_id,
        data,
    )
    await resources.pool.execute(
        "INSERT INTO portal.audit (action, outcome, account_id, target, detail) "
        "VALUES ('follow_merge', 'ok', $1, $2, $3)",
        subject.account_id,
        subject.whmcs_client_id,
        {"source": "whmcs", "was": client_id},
    )


def news(source: Any, object_name: str, record_id: str, data: dict[str, Any], **more: Any) -> Change:
    """Return a change of a whole record, as the upstream would send it now."""
    at = now()
    fields: dict[str, Any] = {"kind": "full", "origin": "cdc", "read_at": at, "event_id": str(uuid4()), **more}
    return Change(
        source=source,
        object=object_name,
        record_id=record_id,
        version=int(at.timestamp() * 1000),
        occurred_at=at,
        data=data,
        **fields,
    )
