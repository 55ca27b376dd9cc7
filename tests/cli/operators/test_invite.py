"""`portal invite`: a code for a letter, shown once."""

import json
from typing import Any

import asyncpg

from app.commands.identity.enrolment import invitations


async def test_letters_are_made_for_many_or_for_none(portal: Any, pool: asyncpg.Pool, sandbox: Any) -> None:
    numbers = [each["customer_number"] for each in sandbox.state["customers"] if not each["whmcs_client_id"]][:2]
    told = portal("invite", *numbers, "--days", "7", "--json")
    assert told.returncode == 0, told.stderr
    made = json.loads(told.stdout)["invitations"]
    assert [each["customer_number"] for each in made] == numbers
    for each in made:
        assert await invitations.is_code(pool, each["customer_number"], each["code"])
    missing = portal("invite", numbers[0].lower(), "C-999999")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "C-999999" in missing.stderr
    assert await invitations.is_code(pool, numbers[0], made[0]["code"])
    again = portal("invite", numbers[0].lower())
    number, code, until = again.stdout.strip().split("\t")
    assert number == numbers[0]
    assert until.startswith("valid until 20")
    assert await invitations.is_code(pool, numbers[0], code)
    assert not await invitations.is_code(pool, numbers[0], made[0]["code"])
    assert portal("invite").returncode == 2
    assert portal("invite", numbers[0], "--days", "0").returncode == 2
