"""Webhooks in any order, twice, or late: what they name is read again, so all of it ends in what WHMCS holds."""

import itertools
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.ingest.sources.admission import InboxAdmission
from app.ingest.sources.webhooks import receive_whmcs
from app.processes.worker import WorkerJobs
from app.resources import Resources
from tests.http.routes.test_webhooks import signed


def notice(event: str, invoice: dict[str, Any], second: int) -> bytes:
    at = datetime(2026, 2, 1, 12, 0, second, tzinfo=UTC)
    body = {"event": event, "object": "invoice", "id": str(invoice["id"]), "client_id": str(invoice["userid"])}
    return msgspec.json.encode({**body, "occurred_at": at})


async def send(resources: Resources, name: str, body: bytes) -> None:
    headers = signed(body, secret=resources.settings.whmcs_webhook_secrets.split(",")[0], webhook_id=name)
    await receive_whmcs(resources.inbox, InboxAdmission(resources.pool, 1000), resources.settings, headers, body)


async def settle(resources: Resources) -> None:
    work = WorkerJobs(resources)
    while await resources.pool.fetchval("SELECT EXISTS (SELECT FROM ingest.inbox WHERE settled_at IS NULL)"):
        await work.sweep()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_reordered_and_repeated_webhooks_end_in_what_whmcs_holds(
    sandbox: Any, resources: Resources, order: tuple[int, ...]
) -> None:
    """The hook of the creation may come after that of the payment; none of them carries a state to be believed."""
    listed = await sandbox.control.get("/whmcs/invoices", params={"status": "Unpaid"})
    invoice = listed.json()["records"][0]
    hooks = [
        notice(event, invoice, n) for n, event in enumerate(("InvoiceCreated", "AddInvoicePayment", "InvoicePaid"))
    ]
    await send(resources, f"msg_{order[0]}", hooks[order[0]])
    await settle(resources)
    (await sandbox.control.post(f"/whmcs/invoices/{invoice['id']}/pay", json={"silent": True})).raise_for_status()
    for number in (*order[1:], *order):
        await send(resources, f"msg_{number}", hooks[number])
        await settle(resources)
    rows = await resources.pool.fetch("SELECT data ->> 'status' AS status FROM mirror.records WHERE object = 'invoice'")
    assert [row["status"] for row in rows] == ["Paid"]
    assert await resources.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE origin = 'webhook'") == 3
