"""The API action that reads WHMCS's gateway log, run by the real php, and read by the portal."""

import json
import os
import subprocess
from typing import Any

import pytest

from app.integrations.whmcs.charging.gateway_log import GatewayLog
from tests.deploy.conftest import HOST, WHMCS, php

__all__ = ["php"]

CARD = "4242 4242 4242 4242"
ATTEMPT = {
    "id": 7,
    "invoice_id": 12,
    "gateway": "stripe",
    "remote_status": "declined",
    "description": "Your card was declined.",
    "additional_information": f'{{"number":"{CARD}"}}',
    "updated_at": "2026-11-30 09:00:05",
}
LOGGED = {"id": 70, "transaction_history_id": 7, "result": "Declined", "data": "[decline_code] => stolen_card"}
TABLES = {
    "tbltransaction_history": [
        {**ATTEMPT, "id": 6, "updated_at": "2026-11-29 09:00:05"},
        ATTEMPT,
        {**ATTEMPT, "id": 8, "invoice_id": 13},
    ],
    "tblgatewaylog": [LOGGED, {**LOGGED, "id": 71, "transaction_history_id": 8, "data": "another's"}],
}


@pytest.fixture
def answered(php: Any) -> Any:
    """Run the action over these tables."""

    def run(tables: Any, invoice_id: str = "12") -> dict[str, Any]:
        ended = subprocess.run(
            [php, HOST / "action.php", WHMCS / "portalgatewaylog.php", json.dumps({"invoiceid": invoice_id})],
            capture_output=True,
            text=True,
            timeout=20,
            env={**os.environ, "WHMCS_TABLES": json.dumps(tables)},
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    return run


class Answering:
    """An API that gives one answer."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    async def call(self, action: str, params: dict[str, str]) -> dict[str, Any]:
        assert (action, params) == ("PortalGatewayLog", {"invoiceid": "12"})
        return self.body


async def test_the_portal_reads_what_the_action_answers(answered: Any) -> None:
    body = answered(TABLES)
    assert CARD not in json.dumps(body)
    newest, older = await GatewayLog(Answering(body), "Asia/Tokyo").entries("12")  # type: ignore[arg-type]
    assert (newest.entry_id, older.entry_id, newest.accepted) == (7, 6, False)
    assert "stolen_card" in newest.words.codes
    assert str(newest.at) == "2026-11-30 00:00:05+00:00"
    assert "another's" not in json.dumps(body)


def test_an_installation_without_these_tables_has_no_entries(answered: Any) -> None:
    assert answered({})["entries"] == {"entry": []}
    assert answered({"tbltransaction_history": TABLES["tbltransaction_history"]})["totalresults"] == 2


def test_a_request_without_an_invoice_is_refused(answered: Any) -> None:
    for number in ("", "0", "x", "-3"):
        assert answered(TABLES, number)["result"] == "error"


def test_long_texts_are_cut_and_broken_ones_mended(answered: Any) -> None:
    long = {**LOGGED, "data": "x" * 100_000 + CARD}
    [entry, _] = answered({**TABLES, "tblgatewaylog": [long]})["entries"]["entry"]
    assert len(entry["data"]) == 4_000
