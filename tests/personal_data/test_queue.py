"""Commands that wait for an upstream: exported with the customer, and cancelled by the erasure."""

import json
import zipfile
from pathlib import Path
from typing import Any
from uuid import UUID

from app.commands.execution import queue_entries
from app.personal_data.erase import erase
from app.personal_data.export import export
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.personal_data.conftest import OPERATOR

COMMAND = UUID(int=7)


async def wait(resources: Resources, subject: Subject, person: dict[str, Any]) -> None:
    """A change of the telephone number waits for WHMCS, and is due."""
    await resources.pool.execute(
        "INSERT INTO portal.commands (id, scope, idempotency_key, name, account_id, body_hash, state, locked_until, "
        "response_status, response_body) "
        "VALUES ($1, $2::uuid::text, 'k', 'change_profile', $2, '', 'queued', now(), 202, '{}')",
        COMMAND,
        subject.account_id,
    )
    await resources.pool.execute(
        "INSERT INTO portal.queued_commands (command_id, account_id, user_id, name, request, command_key, address, "
        "request_id, upstreams, waits_for, next_attempt_at, expires_at) VALUES ($1, $2, $3, 'change_profile', $4, 'k', "
        "'203.0.113.7', 'r', '{whmcs}', 'whmcs', now(), now() + interval '1 day')",
        COMMAND,
        subject.account_id,
        subject.user_id,
        json.dumps({"change": {"phone": person["phone"]}}).encode(),
    )


async def test_the_archive_holds_what_waits(
    resources: Resources, subject: Subject, person: dict[str, Any], tmp_path: Path
) -> None:
    await wait(resources, subject, person)
    file = tmp_path / "customer.zip"
    await export(resources.pool, subject, OPERATOR, file, lambda *step: None)
    with zipfile.ZipFile(file) as archive:
        [row] = json.loads(archive.read("portal/queued_commands.json"))
    assert row["request"] == {"change": {"phone": person["phone"]}}


async def test_an_erasure_cancels_what_waits(resources: Resources, subject: Subject, person: dict[str, Any]) -> None:
    await wait(resources, subject, person)
    assert await queue_entries.due_accounts(resources.pool, 10) == [subject.account_id]
    await erase(resources, subject, OPERATOR, lambda *step: None, upstream={})
    assert await resources.pool.fetchval("SELECT count(*) FROM portal.queued_commands") == 0
    assert await queue_entries.due_accounts(resources.pool, 10) == []
