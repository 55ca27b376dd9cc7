"""The customer's own export: what is theirs and shown to them; no secret, no note of staff, nothing of others."""

import io
import json
import zipfile
from typing import Any

import pytest

from app.commands.account import export_journal
from app.personal_data import own_export
from app.personal_data.export import TABLES
from app.personal_data.own_export import STATEMENTS, own_archive
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.personal_data.test_erase import erased

NOTE = "difficult customer, do not tell"
ALSO_SHOWN = {
    "portal.users",
    "portal.id_mappings",
    "portal.sessions",
    "portal.totp",
    "portal.mails",
    "portal.audit",
    "portal.commands",
    "portal.capture_attempts",
    "portal.plan_changes",
    "portal.scheduled_changes",
    "portal.notification_reads",
}
LEFT_OUT = {
    "portal.recovery_codes": "secrets",
    "portal.password_resets": "secrets",
    "portal.sign_in_codes": "secrets",
    "portal.link_tokens": "secrets",
    "portal.queued_commands": "they are among the commands until they have run",
    "portal.signups": "steps of signing up, whose result is the account",
    "portal.enrolments": "steps of signing up, perhaps of a stranger",
    "portal.invitations": "made by staff",
    "portal.captures": "the lock of a charge; its attempts are exported",
    "portal.dunning": "staff's side of what the invoices show",
    "portal.dunning_steps": "staff's side of what the timeline shows",
    "portal.dunning_news": "staff's side of what the invoices show",
    "portal.dunning_holds": "reasons of staff",
    "portal.dunning_suspensions": "staff's side of what the timeline shows",
    "portal.fulfilments": "staff's side of what the orders show",
    "portal.fulfilment_steps": "staff's side of what the orders show",
    "portal.provision_steps": "staff's side of what the orders show",
    "portal.provided_services": "ids of provider systems",
    "portal.provider_steps": "ids of provider systems",
    "portal.account_exports": "this copy itself",
    "mirror.records": "raw records, with notes of staff",
    "ingest.inbox": "raw records, with notes of staff",
    "ingest.dead_letters": "raw records, with notes of staff",
}


async def plant_notes(resources: Resources, subject: Subject) -> None:
    """Let staff write about the customer everywhere they can."""
    await resources.pool.execute(
        "UPDATE mirror.records SET data = data || jsonb_build_object('notes', $1::text) WHERE owner_id = ANY($2)",
        NOTE,
        subject.owner_ids,
    )
    await resources.pool.execute(
        "INSERT INTO portal.audit (action, outcome, account_id, target, detail) "
        "VALUES ('customer.note', 'done', $1::uuid, $1::uuid::text, $2)",
        subject.account_id,
        {"note": NOTE, "operator": NOTE},
    )
    await resources.pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step, error_message) "
        "VALUES ('801B', $1, 'done', 'sim', $2)",
        subject.account_id,
        NOTE,
    )


async def test_the_copy_holds_what_is_the_customers_own_and_nothing_else(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    await plant_notes(resources, subject)
    with zipfile.ZipFile(io.BytesIO(await own_archive(resources.pool, subject.account_id))) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    found = {name.removesuffix(".json"): json.loads(text) for name, text in texts.items()}
    assert set(found) == {*STATEMENTS, "manifest"}
    assert found["manifest"]["rows"] == {name: len(found[name]) for name in STATEMENTS}
    invoices = (await sandbox.control.get("/whmcs/invoices", params={"userid": person["whmcs_client_id"]})).json()
    assert 0 < len(found["invoices"]) <= invoices["total"]
    assert found["user"][0]["email"] == person["email"]
    assert found["sessions"][0]["address"] == "203.0.113.7"
    assert found["activity"][0]["action"] == "log_in"
    assert found["profile"][0]["last_name"] == person["last_name"]
    assert found["orders"]
    assert found["timeline"]
    whole = "".join(texts.values())
    assert NOTE not in whole
    assert not any(word in whole for word in ("password_hash", "token_hash", '"secret"', "customer.note"))
    others = [each for each in sandbox.state["customers"] if each["email"] != person["email"]]
    assert not any(each["email"] in whole for each in others)


async def test_an_archive_is_bounded(resources: Resources, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_export, "MOST_ROWS", 0)
    with pytest.raises(own_export.TooLarge):
        await own_archive(resources.pool, subject.account_id)


async def test_an_erasure_deletes_the_copy_and_none_is_made_after_it(resources: Resources, subject: Subject) -> None:
    ask = "INSERT INTO portal.account_exports (account_id, user_id, export_id) VALUES ($1, $2, gen_random_uuid())"
    await resources.pool.execute(ask, subject.account_id, subject.user_id)

    async def make(taken: export_journal.TakenExport) -> bytes:
        made = await own_archive(resources.pool, taken.account_id)
        await erased(resources, subject)
        return made

    assert await export_journal.make_due(resources.pool, make) == 1
    for table in ("account_exports", "mails"):
        assert await resources.pool.fetchval(f"SELECT count(*) FROM portal.{table}") == 0


def test_a_table_of_the_operators_export_is_in_it_or_left_out_for_a_reason() -> None:
    """The author of a new table with personal data decides here what of it the customer gets."""
    assert {table for table, _ in TABLES.values()} == ALSO_SHOWN | set(LEFT_OUT)
    statements = " ".join(STATEMENTS.values())
    assert all(f"FROM {table} " in f"{statements} " for table in ALSO_SHOWN)
    assert not any(f"FROM {table} " in f"{statements} " for table in LEFT_OUT)
