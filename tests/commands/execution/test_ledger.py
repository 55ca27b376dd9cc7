"""One key, one answer."""

import asyncio
import hashlib
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from app.commands.execution import ledger, progress
from app.commands.execution.ledger import Replay, Running
from app.errors import Conflict, NotFound, RuleViolated
from app.keyring import Keyring

KEYRING = Keyring("s" * 32)


async def begin(pool: asyncpg.Pool, body: bytes = b"{}", key: str = "k", scope: str = "a") -> Any:
    return await ledger.begin(pool, keyring=KEYRING, scope=scope, key=key, name="try", account_id=None, body=body)


async def test_the_same_key_and_body_gives_the_first_answer_again(pool: asyncpg.Pool) -> None:
    await ledger.finish(pool, await begin(pool), 201, b'{"n":1}', 7)
    again = await begin(pool)
    assert isinstance(again, Replay)
    assert (again.status, again.body, again.submission) == (201, b'{"n":1}', 7)


async def test_the_same_key_with_another_body_is_refused_whatever_became_of_the_first(pool: asyncpg.Pool) -> None:
    running = await begin(pool)
    for settle in (ledger.fail(pool, running), ledger.finish(pool, running, 200, b"{}", None)):
        with pytest.raises(RuleViolated, match="idempotency_key_reused"):
            await begin(pool, b'{"other":1}')
        await settle


async def test_while_the_first_run_lasts_a_second_is_refused(pool: asyncpg.Pool) -> None:
    await begin(pool)
    with pytest.raises(Conflict, match="command_in_progress"):
        await begin(pool)


async def test_of_many_at_once_exactly_one_runs(pool: asyncpg.Pool) -> None:
    answers = await asyncio.gather(*(begin(pool) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(answer, Running) for answer in answers) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 19


async def test_a_failed_command_frees_its_key(pool: asyncpg.Pool) -> None:
    await ledger.fail(pool, await begin(pool))
    assert isinstance(await begin(pool), Running)


async def test_the_key_of_a_dead_runner_can_be_taken_over_and_its_late_result_is_ignored(
    pool: asyncpg.Pool,
) -> None:
    first = await begin(pool)
    await pool.execute("UPDATE portal.commands SET locked_until = now() - interval '1 second'")
    second = await begin(pool)
    assert isinstance(second, Running)
    await ledger.fail(pool, first)
    with pytest.raises(Conflict, match="command_in_progress"):
        await begin(pool)
    await ledger.finish(pool, second, 200, b"second", None)
    assert (await begin(pool)).body == b"second"


async def test_two_callers_may_use_the_same_key(pool: asyncpg.Pool) -> None:
    await begin(pool, scope="a")
    assert isinstance(await begin(pool, scope="b"), Running)


async def test_a_password_in_a_body_cannot_be_guessed_from_the_ledger(pool: asyncpg.Pool) -> None:
    body = b'{"password":"paper crane lantern 24"}'
    await begin(pool, body)
    assert await pool.fetchval("SELECT body_hash FROM portal.commands") != hashlib.sha256(body).digest()


async def test_the_state_is_found_by_id_and_by_key_and_only_in_ones_own_scope(pool: asyncpg.Pool) -> None:
    running = await begin(pool)
    assert (await progress.state(pool, "a", "k")).state == "running"
    await ledger.finish(pool, running, 201, b"{}", 3)
    found = await progress.state(pool, "a", str(running.id))
    assert (found.name, found.state, found.status, found.submission) == ("try", "done", 201, 3)
    for scope, key in (("b", "k"), ("a", str(uuid4()))):
        with pytest.raises(NotFound):
            await progress.state(pool, scope, key)


async def test_answers_are_forgotten_after_a_day_but_not_while_running(pool: asyncpg.Pool) -> None:
    await ledger.finish(pool, await begin(pool, key="old"), 200, b"{}", None)
    await begin(pool, key="running")
    await begin(pool, key="dead")
    await pool.execute("UPDATE portal.commands SET created_at = now() - interval '25 hours'")
    await pool.execute(
        "UPDATE portal.commands SET locked_until = now() - interval '1 h' WHERE idempotency_key <> 'running'"
    )
    await ledger.forget_old(pool)
    assert [row[0] for row in await pool.fetch("SELECT idempotency_key FROM portal.commands")] == ["running"]


@pytest.mark.parametrize("name", ["open_case", "comment_on_case"])
async def test_the_same_words_are_the_same_body_however_their_lines_end(pool: asyncpg.Pool, name: str) -> None:
    async def begun(body: str) -> Any:
        content = b"/api/cases" + b"\0" + msgspec.json.encode({"body": body, "n": None})
        return await ledger.begin(pool, keyring=KEYRING, scope="a", key="k", name=name, account_id=None, body=content)

    await ledger.finish(pool, await begun("Café\r\ndown"), 201, b"{}", None)
    for body in ("Café\ndown", "Café\rdown", "Cafe\u0301\r\ndown", " Café\ndown\n"):
        assert isinstance(await begun(body), Replay)
    with pytest.raises(RuleViolated, match="idempotency_key_reused"):
        await begun("Café down")


async def test_elsewhere_every_byte_counts(pool: asyncpg.Pool) -> None:
    await ledger.finish(pool, await begin(pool, b'/x\0{"password":"a\\r\\n"}'), 201, b"{}", None)
    with pytest.raises(RuleViolated, match="idempotency_key_reused"):
        await begin(pool, b'/x\0{"password":"a\\n"}')
