"""`portal captures`, as an operator runs it."""

import json
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from app.commands.billing.create_payment_link import PayInvoice
from app.commands.billing.pay_invoice import pay_invoice
from app.errors import OutcomeUnknown
from app.readmodels.billing.payment_attempts import SETTLE_SECONDS
from app.resources import open_resources
from app.settings import Settings
from tests.commands.conftest import Desk


async def test_a_doubt_is_listed_looked_at_stated_and_charged_again(
    portal: Any, sandbox: Any, sandbox_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.commands.billing.charge_invoice.LOOK_AGAIN_SECONDS", ())
    assert "No attempt was found." in portal("captures", "list").stdout
    quick = msgspec.structs.replace(sandbox_settings, whmcs_charge_timeout_seconds=1.0)
    async with open_resources(quick) as resources:
        desk = Desk(resources, sandbox)
        await desk.open()
        hana = await desk.customer()
        invoice_id = await desk.bill(hana)
        await sandbox.control.put("/whmcs/card-gateway", json={"readable": False})
        await sandbox.control.post("/whmcs/declines", json={"code": "stolen_card", "count": 1})
        await sandbox.fault("whmcs", "timeout_after_write", "CapturePayment")
        with pytest.raises(OutcomeUnknown):
            await pay_invoice(desk.context, hana, PayInvoice(invoice_id))
        for table in ("captures", "capture_attempts"):
            await pool.execute(f"UPDATE portal.{table} SET sent_at = sent_at - $1 * interval '1 s'", SETTLE_SECONDS)
        [doubt] = json.loads(portal("captures", "list", "--in-doubt", "--json").stdout)["items"]
        number = str(doubt["attempt_id"])
        assert "in doubt" in portal("captures", "look", number).stdout
        refused = portal("captures", "retry", invoice_id, "--reason", "asked")
        assert (refused.returncode, "payment_in_doubt" in refused.stderr) == (1, True)
        stated = portal("captures", "state", number, "not_charged", "--evidence", "not at the gateway", "--json")
        assert json.loads(stated.stdout)["outcome"] == "not_charged"
        key = uuid4().hex
        paid = [portal("captures", "retry", invoice_id, "--reason", "asked", "--key", key, "--json") for _ in range(2)]
        assert [json.loads(each.stdout)["outcome"] for each in paid] == ["charged", "charged"]
        assert len(await desk.payments(invoice_id)) == 1
    assert await pool.fetchval("SELECT detail ->> 'operator' FROM portal.audit WHERE action = 'capture.retry' LIMIT 1")
    unknown = portal("captures", "look", "99999999")
    assert (unknown.returncode, "capture_not_found" in unknown.stderr) == (1, True)
