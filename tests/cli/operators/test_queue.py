"""`portal queue`, as an operator runs it."""

import json
from typing import Any
from uuid import UUID

import asyncpg

ACCOUNT, OTHER = UUID(int=1), UUID(int=2)


async def test_what_waits_is_listed_without_what_the_customer_wrote(portal: Any, pool: asyncpg.Pool) -> None:
    assert "Nothing waits." in portal("queue").stdout
    for number, account in enumerate((ACCOUNT, OTHER, ACCOUNT)):
        await pool.execute(
            "INSERT INTO portal.commands "
            "(id, scope, idempotency_key, name, account_id, body_hash, state, locked_until) "
            "VALUES ($1, 's', $1::uuid::text, 'change_profile', $2, '', $3, now())",
            UUID(int=100 + number),
            account,
            "queued",
        )
        await pool.execute(
            "INSERT INTO portal.queued_commands (command_id, account_id, user_id, name, request, command_key, address, "
            "request_id, upstreams, waits_for, next_attempt_at, expires_at) VALUES ($1, $2, $2, 'change_profile', "
            "'secret', 'k', '', '', '{whmcs}', 'whmcs', now(), now())",
            UUID(int=100 + number),
            account,
        )
    shown = portal("queue", "--json").stdout
    assert [each["command_id"] for each in json.loads(shown)["items"]] == [str(UUID(int=100 + n)) for n in range(3)]
    assert "secret" not in shown
    own = json.loads(portal("queue", "--account", str(OTHER), "--json").stdout)["items"]
    assert [(each["account_id"], each["waits_for"], each["attempts"]) for each in own] == [(str(OTHER), "whmcs", 0)]
    assert len(json.loads(portal("queue", "--limit", "1", "--json").stdout)["items"]) == 1
    assert "change_profile" in portal("queue").stdout
