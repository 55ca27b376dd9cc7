"""Letters: a printed code in the place of the mailed one, for one sign-up."""

import json
from typing import Any

import asyncpg
import msgspec
import pytest

from app.audit import Operator
from app.commands.execution.context import Context
from app.commands.identity.enrolment import invitations
from app.commands.identity.enrolment.complete_sign_up import CompleteSignUp, complete_sign_up
from app.errors import PortalError, RuleViolated
from app.resources import Resources
from tests.commands.identity.enrolment.test_sign_up_proof import refusal, without_mailbox
from tests.fixtures.enrolling import ANYBODY, begun, code_to, mails, request_of

AYA = Operator(name="aya")
NEW = "new@example.net"


@pytest.fixture
def context(resources: Resources) -> Context:
    by_letter = msgspec.structs.replace(resources.settings, sign_up_proof="letter")
    return msgspec.structs.replace(resources.context, settings=by_letter)


@pytest.fixture
def customer(sandbox: Any) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.customer(with_whmcs=False)
    return found


async def letter_to(context: Context, customer: dict[str, Any], days: int = 30) -> str:
    [made] = await invitations.invite(context, AYA, [customer["customer_number"]], days=days)
    return made.code


async def complete(context: Context, token: str, code: str, email_code: str = "") -> Any:
    request = CompleteSignUp(signup_token=token, code=code, email_code=email_code)
    return (await complete_sign_up(context, ANYBODY, request)).result


async def test_a_letter_and_the_address_to_log_in_with_prove_a_sign_up(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    letter = await letter_to(context, customer)
    token = await begun(context, request_of(customer, email=NEW, last_name="Nobody"))
    assert await mails(context, sandbox, customer["email"]) == []
    assert await refusal(complete(context, token, "ABCD-EFGH-JKLM")) == "code_invalid"
    assert await mails(context, sandbox, NEW) == []
    typed = letter.lower().replace("-", " ")
    assert await refusal(complete(context, token, typed)) == "email_code_required"
    made = await complete(context, token, typed, await code_to(context, sandbox, NEW))
    assert made.user.email == NEW
    assert "was signed up" in (await mails(context, sandbox, customer["email"]))[0]["text"]


async def test_a_letter_is_good_once_for_its_own_number_and_until_it_expires(
    context: Context, sandbox: Any, pool: asyncpg.Pool, customer: dict[str, Any]
) -> None:
    other = [each for each in sandbox.state["customers"] if not each["whmcs_client_id"]][1]
    first, theirs = await letter_to(context, customer), await letter_to(context, other)
    second = await letter_to(context, customer)
    token = await begun(context, request_of(customer, email=NEW))
    for wrong in (first, theirs):
        assert await refusal(complete(context, token, wrong)) == "code_invalid"
    await pool.execute("UPDATE portal.invitations SET expires_at = now()")
    assert await refusal(complete(context, token, second)) == "code_invalid"
    third = await letter_to(context, customer)
    assert await refusal(complete(context, token, third)) == "email_code_required"
    await complete(context, token, third, await code_to(context, sandbox, NEW))
    assert not await invitations.is_code(pool, customer["customer_number"], third)


async def test_what_broke_after_the_letter_was_used_up_the_same_request_finishes(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    letter = await letter_to(context, customer)
    token = await begun(context, request_of(customer, email=NEW))
    assert await refusal(complete(context, token, letter)) == "email_code_required"
    second = await code_to(context, sandbox, NEW)
    await sandbox.fault("salesforce", "status", "sobjects.update:Account", status=500, count=1)
    with pytest.raises(PortalError):
        await complete(context, token, letter, second)
    assert await context.pool.fetchval("SELECT used_at IS NOT NULL FROM portal.invitations")
    await complete(context, token, letter, second)


async def test_a_letter_helps_where_no_mailbox_is_on_file_and_facts_prove_nothing(
    resources: Resources, sandbox: Any, customer: dict[str, Any]
) -> None:
    by_mail = resources.context
    await without_mailbox(sandbox, customer)
    letter = await letter_to(by_mail, customer)
    request = request_of(customer, email=NEW, last_name="Nobody")
    address = msgspec.structs.replace(request.address, postcode="999-9999")
    token = await begun(by_mail, msgspec.structs.replace(request, address=address))
    assert await refusal(complete(by_mail, token, letter)) == "email_code_required"
    await complete(by_mail, token, letter, await code_to(by_mail, sandbox, NEW))


async def test_a_letter_proves_no_mailbox_not_even_the_one_on_file(
    resources: Resources, sandbox: Any, customer: dict[str, Any]
) -> None:
    by_mail = resources.context
    letter = await letter_to(by_mail, customer)
    token = await begun(by_mail, request_of(customer))
    assert await refusal(complete(by_mail, token, letter)) == "email_code_required"
    mailed = await code_to(by_mail, sandbox, customer["email"])
    await complete(by_mail, token, letter, mailed)


async def test_no_letter_is_made_for_a_number_that_nobody_has_nor_for_its_neighbours(
    context: Context, pool: asyncpg.Pool, customer: dict[str, Any]
) -> None:
    with pytest.raises(RuleViolated) as caught:
        await invitations.invite(context, AYA, [customer["customer_number"], "C-999999"], days=30)
    assert caught.value.code == "customer_number_unknown"
    assert await pool.fetchval("SELECT count(*) FROM portal.invitations") == 0


async def test_a_code_is_kept_as_a_hash_and_its_making_is_audited(
    context: Context, pool: asyncpg.Pool, customer: dict[str, Any]
) -> None:
    code = await letter_to(context, customer)
    for table in ("portal.invitations", "portal.audit"):
        content = str(await pool.fetch(f"SELECT t::text FROM {table} t"))
        assert code not in content
        assert code.replace("-", "") not in content
    [entry] = await pool.fetch("SELECT action, target, detail FROM portal.audit")
    assert (entry["action"], entry["target"]) == ("customer.invite", customer["customer_number"])
    assert entry["detail"]["operator"] == "aya"


def test_codes_have_sixty_bits_in_letters_that_cannot_be_mistaken() -> None:
    from app.commands.identity import readable_codes

    made = {readable_codes.random_code(invitations.LENGTH) for _ in range(500)}
    assert len(made) == 500
    assert set("".join(made)) <= {*readable_codes.ALPHABET, "-"}
    assert not set("01IO") & set(readable_codes.ALPHABET)
    assert len(set(readable_codes.ALPHABET)) == 32
    assert (
        readable_codes.plain("ａｂｃｄ－2345")
        == readable_codes.plain("ABCD‐2345")
        == readable_codes.plain(" abcd 2345\n")
        == "ABCD2345"
    )
    assert json.dumps(sorted(made)).isascii()
