"""The export: everything of the customer, nothing of anybody else's, no secret."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidRequest, NotFound
from app.personal_data import subject as subjects
from app.personal_data.export import TABLES, export
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.personal_data.conftest import OPERATOR, merged_from

NOBODYS = {
    "portal.erasures",
    "portal.erased_owners",
    "portal.billing_tasks",
    "portal.clock_jobs",
    "portal.clock_runs",
    "portal.money_stops",
    "portal.suspension_permits",
    "ingest.canaries",
    "ingest.client_merges",
    "ingest.checkpoints",
    "ingest.drift",
    "ingest.fanouts",
    "ingest.notices",
    "ingest.progress",
    "ingest.unreadables",
}
"""Ids, counts and positions, and no customer; jobs and stops name members of staff."""


async def test_the_archive_holds_everything_and_no_secret(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    await _ordered_and_merged(resources, subject)
    subject = await subjects.find(resources.pool, subject.email)
    file = tmp_path / "customer.zip"
    counts = await export(resources.pool, subject, OPERATOR, file, lambda *step: told.append(step))
    assert file.stat().st_mode & 0o077 == 0
    assert told[-1][1:] == (len(counts), len(counts))
    with zipfile.ZipFile(file) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    found = {name: json.loads(text) for name, text in texts.items()}
    assert found["manifest.json"]["rows"] == counts
    assert found["manifest.json"]["subject"]["whmcs_client_id"] == person["whmcs_client_id"]
    invoices = (await sandbox.control.get("/whmcs/invoices", params={"userid": person["whmcs_client_id"]})).json()
    assert len(found["read_model/invoices.json"]) == invoices["total"] > 0
    assert found["portal/users.json"][0]["email"] == person["email"]
    assert found["portal/sessions.json"][0]["address"] == "203.0.113.7"
    objects = {(each["source"], each["object"]) for each in found["mirror/records.json"]}
    assert {("whmcs", "client"), ("whmcs", "invoice"), ("salesforce", "Order")} <= objects
    assert found["read_model/profiles.json"][0]["document"]["last_name"] == person["last_name"]
    assert not any(word in text for text in texts.values() for word in ('"password_hash"', '"token_hash"', '"secret"'))
    assert [each["step"] for each in found["portal/provision_steps.json"]] == ["setup_ssl"]
    assert found["portal/fulfilment_steps.json"][0]["detail"] == {"facts": {"sim_account": "0700"}}
    assert "99903" in {each["record_id"] for each in found["mirror/records.json"]}
    others = [each for each in sandbox.state["customers"] if each["email"] != person["email"]]
    assert not any(each["email"] in text for text in texts.values() for each in others)
    assert await resources.pool.fetchval("SELECT target FROM portal.audit WHERE action = 'customer.export'") == str(
        subject.account_id
    )


async def _ordered_and_merged(resources: Resources, subject: Subject) -> None:
    """Add a provisioned order, and a client that staff merged into this one."""
    await resources.pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step) VALUES ('801B', $1, 'done', 'sim')",
        subject.account_id,
    )
    await resources.pool.execute(
        "INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) "
        "VALUES ('801B', 'sim', 1, 'next', $1)",
        {"facts": {"sim_account": "0700"}},
    )
    await resources.pool.execute(
        "INSERT INTO portal.provision_steps (order_id, position, step) VALUES ('801B', 1, 'setup_ssl')"
    )
    await merged_from(resources, subject, "99903", {"firstname": "Hana"})


async def test_who_is_no_customer_is_named_so(resources: Resources) -> None:
    with pytest.raises(NotFound, match="No customer logs in with this address"):
        await subjects.find(resources.pool, "nobody@example.jp")


async def test_a_new_table_is_exported_or_named_as_nobodys(resources: Resources) -> None:
    """The author of a new table decides here whether it holds personal data; if so, `steps.py` must empty it too."""
    rows = await resources.pool.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
        "WHERE schemaname IN ('portal', 'ingest', 'mirror')"
    )
    exported = {table for table, _ in TABLES.values()}
    assert {row["name"] for row in rows} == exported | NOBODYS


async def test_an_archive_that_cannot_be_written_leaves_nothing(
    resources: Resources, subject: Subject, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await export(resources.pool, subject, OPERATOR, tmp_path / "nowhere" / "customer.zip", lambda *step: None)
    assert refused.value.code == "output_not_writable"
    assert list(tmp_path.iterdir()) == []
