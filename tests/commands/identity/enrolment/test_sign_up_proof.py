"""Proof of a customer number: the reader of the mailbox on file may sign up, and no other person learns anything
before."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from app.commands.execution.context import Actor, Context, Done
from app.commands.identity.enrolment import mailed_codes
from app.commands.identity.enrolment.complete_sign_up import CompleteSignUp, complete_sign_up
from app.commands.identity.enrolment.sign_up import SignUp, SignUpAddress, sign_up
from app.errors import NotAuthenticated, PortalError, RateLimited
from app.resources import Resources
from app.settings import Settings
from tests.fixtures.enrolling import ANYBODY, TRIES, begun, code_to, mails, proof_of, request_of, signed_up
from tests.fixtures.linked import add_account

THIEF = "thief@example.net"
WRONG = {"last_name": "Nobody"}
MOST_WRONG = 10


@pytest.fixture
async def context(resources: Resources) -> Context:
    return resources.context


@pytest.fixture
def customer(sandbox: Any) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.customer(with_whmcs=False)
    return found


def elsewhere(number: int) -> Actor:
    return Actor(address=f"198.51.100.{number}", request_id="test")


async def complete(context: Context, token: str, code: str, actor: Actor = ANYBODY, **more: str) -> Done:
    return await complete_sign_up(context, actor, CompleteSignUp(signup_token=token, code=code, **more))


async def refusal(call: Any) -> str:
    with pytest.raises(PortalError) as caught:
        await call
    return caught.value.code


async def without_mailbox(sandbox: Any, customer: dict[str, Any], **changed: Any) -> None:
    """Salesforce knows no address of this customer."""
    account = customer["salesforce_account_id"]
    listed = (await sandbox.control.get("/salesforce/Contact")).json()
    rows = listed if isinstance(listed, list) else next(each for each in listed.values() if isinstance(each, list))
    for each in (row for row in rows if row["AccountId"] == account):
        body = {"Email": None, **changed.get("contact", {})}
        (await sandbox.control.patch(f"/salesforce/Contact/{each['Id']}", json=body)).raise_for_status()
    if "account" in changed:
        await sandbox.control.patch(f"/salesforce/Account/{account}", json=changed["account"])


async def test_a_number_alone_makes_no_account(
    context: Context, sandbox: Any, pool: asyncpg.Pool, customer: dict[str, Any]
) -> None:
    token = await begun(context, request_of(customer, email=THIEF, **WRONG))
    assert await mails(context, sandbox, THIEF) == []
    assert len(await mails(context, sandbox, customer["email"])) == 1
    for code in ("", "2222-2222", token):
        assert await refusal(complete(context, token, code[:40])) == "code_invalid"
    assert await pool.fetchval("SELECT count(*) FROM portal.users") == 0
    assert "AddClient" not in {call["operation"] for call in await sandbox.calls("whmcs")}


async def test_the_answer_is_the_same_whatever_is_known(
    context: Context, sandbox: Any, pool: asyncpg.Pool, customer: dict[str, Any]
) -> None:
    billed = sandbox.customer(with_whmcs=True)
    taken = next(each for each in sandbox.state["customers"][1:] if each["whmcs_client_id"])
    await add_account(pool, taken)
    mailless = [each for each in sandbox.state["customers"] if not each["whmcs_client_id"]][1]
    await without_mailbox(sandbox, mailless)
    requests = [
        request_of(customer),
        request_of(customer, **WRONG),
        request_of(customer, email=taken["email"]),
        request_of(billed),
        request_of(taken),
        request_of(mailless),
        request_of(mailless, address=_address("999-9999"), **WRONG),
        request_of(customer, customer_number="C-999999"),
        request_of(customer, customer_number="C-999999' OR Name LIKE '%"),
        request_of(customer, customer_number="Ｃ－１\x00"),
    ]
    answers = [(await sign_up(context, elsewhere(number), each)).result for number, each in enumerate(requests)]
    told = [{**msgspec.to_builtins(each), "signup_token": len(each.signup_token)} for each in answers]
    assert all(each == told[0] for each in told)
    codes = {await refusal(complete(context, each.signup_token, "2222-2222", elsewhere(99))) for each in answers[:5]}
    codes |= {await refusal(complete(context, each.signup_token, "2222-2222", elsewhere(98))) for each in answers[5:]}
    assert codes == {"code_invalid"}


def _address(postcode: str) -> SignUpAddress:
    return SignUpAddress(address1="1-2-3 Shibuya", city="Shibuya-ku", state="Tokyo", postcode=postcode, country="JP")


@pytest.mark.parametrize("email", ["CUSTOMER", THIEF])
async def test_the_code_goes_to_the_mailbox_of_the_billing_system_where_salesforce_has_none(
    context: Context, sandbox: Any, email: str
) -> None:
    billed = sandbox.customer(with_whmcs=True)
    await without_mailbox(sandbox, billed)
    await begun(context, request_of(billed, email=billed["email"].upper() if email == "CUSTOMER" else email, **WRONG))
    assert await code_to(context, sandbox, billed["email"])
    assert await mails(context, sandbox, THIEF) == []


async def test_of_several_mailboxes_the_one_that_was_given_gets_the_code(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    body = {"AccountId": customer["salesforce_account_id"], "LastName": "Second", "Email": "Second@example.net"}
    (await sandbox.control.post("/salesforce/Contact", json=body)).raise_for_status()
    token = await begun(context, request_of(customer, email="second@example.net"))
    code = await code_to(context, sandbox, "second@example.net")
    assert await mails(context, sandbox, customer["email"]) == []
    assert (await complete(context, token, code)).result.user.email == "second@example.net"


async def test_every_mailbox_on_file_is_told_of_a_sign_up(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    body = {"AccountId": customer["salesforce_account_id"], "LastName": "Second", "Email": "Second@example.net"}
    (await sandbox.control.post("/salesforce/Contact", json=body)).raise_for_status()
    token = await begun(context, request_of(customer, email="second@example.net"))
    await complete(context, token, await code_to(context, sandbox, "second@example.net"))
    for mailbox in (customer["email"], "second@example.net"):
        assert "was signed up" in (await mails(context, sandbox, mailbox))[0]["text"]


@pytest.mark.parametrize(
    ("facts", "right"),
    [
        ({"last_name": "{last_name}", "postcode": "999-9999"}, True),
        ({"last_name": " {last_name} ".upper(), "postcode": "999-9999"}, True),
        ({"last_name": "Nobody", "postcode": "{postcode}"}, True),
        ({"last_name": "Nobody", "postcode": "fullwidth"}, True),
        ({"last_name": "Nobody", "postcode": "999-9999"}, False),
        ({"last_name": "{first_name}", "postcode": "999-9999"}, False),
        ({"last_name": "-", "postcode": "999-9999"}, False),
    ],
)
async def test_without_a_mailbox_on_file_another_fact_of_the_account_is_needed(
    context: Context, sandbox: Any, customer: dict[str, Any], facts: dict[str, str], right: bool
) -> None:
    await without_mailbox(sandbox, customer)
    postcode = facts["postcode"].format(**customer, postcode=customer["address"]["postcode"])
    if postcode == "fullwidth":
        postcode = "".join(chr(ord(each) + 0xFEE0) for each in customer["address"]["postcode"] if each != "-")
    last_name = facts["last_name"].replace("{LAST_NAME}", customer["last_name"].upper()).format(**customer)
    request = request_of(customer, email="new@example.net", last_name=last_name, address=_address(postcode))
    token = await begun(context, request)
    code = await code_to(context, sandbox, "new@example.net")
    assert bool(code) is right
    if right:
        assert (await complete(context, token, code)).result.user.email == "new@example.net"


async def test_facts_that_are_not_on_file_prove_nothing(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    nothing = {"account": {"BillingPostalCode": None, "Name": "---"}, "contact": {"LastName": "---"}}
    await without_mailbox(sandbox, customer, **nothing)
    for last_name in ("---", "・", customer["last_name"]):
        await begun(context, request_of(customer, email="new@example.net", last_name=last_name))
    assert await mails(context, sandbox, "new@example.net") == []


async def test_ten_wrong_facts_in_a_day_and_facts_prove_nothing_any_more(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await without_mailbox(sandbox, customer)
    wrong = request_of(customer, email=THIEF, address=_address("999-9999"), **WRONG)
    await asyncio.gather(*(sign_up(context, elsewhere(number), wrong) for number in range(MOST_WRONG + 1)))
    token = await begun(context, request_of(customer, email="new@example.net"))
    assert await mails(context, sandbox, "new@example.net") == []
    assert await refusal(complete(context, token, "2222-2222")) == "code_invalid"
    await context.pool.execute("UPDATE portal.enrolments SET created_at = created_at - interval '25 hours'")
    token = await begun(context, request_of(customer, email="new@example.net"), elsewhere(200))
    await complete(context, token, await code_to(context, sandbox, "new@example.net"))


async def test_a_mailbox_that_staff_enter_helps_at_once_however_many_facts_were_wrong(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    await without_mailbox(sandbox, customer)
    wrong = request_of(customer, email=THIEF, address=_address("999-9999"), **WRONG)
    for number in range(MOST_WRONG + 1):
        await sign_up(context, elsewhere(number), wrong)
    body = {"AccountId": customer["salesforce_account_id"], "LastName": "Entered", "Email": customer["email"]}
    (await sandbox.control.post("/salesforce/Contact", json=body)).raise_for_status()
    await signed_up(context, sandbox, customer)


async def test_wrong_facts_do_not_block_the_mailbox_on_file(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    wrong = request_of(customer, email=THIEF, **WRONG)
    for number in range(3 * MOST_WRONG):
        await sign_up(context, elsewhere(number), wrong)
    assert len(await mails(context, sandbox, customer["email"])) <= 2 * 3  # three in each half hour
    await signed_up(context, sandbox, customer)


async def test_sign_ups_are_bounded_for_each_number_and_address(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    for number in (customer["customer_number"], customer["customer_number"].lower(), "C-999999"):
        request = request_of(customer, customer_number=number)
        for _ in range(5 if number != customer["customer_number"].lower() else 0):
            await begun(context, request)
        with pytest.raises(RateLimited) as caught:
            await begun(context, request)
        assert caught.value.code == "too_many_attempts"
    await begun(context, request_of(customer), elsewhere(1))


async def test_only_the_reader_of_a_mailbox_learns_whether_its_address_is_known(
    context: Context, sandbox: Any, pool: asyncpg.Pool, customer: dict[str, Any]
) -> None:
    taken = sandbox.customer(with_whmcs=True)
    await add_account(pool, taken)
    token = await begun(context, request_of(customer, email=taken["email"]))
    code = await code_to(context, sandbox, customer["email"])
    assert await mails(context, sandbox, taken["email"]) == []
    assert await refusal(complete(context, token, code)) == "email_code_required"
    assert await refusal(complete(context, token, code, email_code="2222-2222")) == "code_invalid"
    second = await code_to(context, sandbox, taken["email"])
    assert await refusal(complete(context, token, code, email_code=second)) == "account_exists"


async def test_another_address_than_the_one_on_file_is_proven_as_well(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    proof = await proof_of(context, sandbox, customer, email="new@example.net")
    assert proof.code != proof.email_code
    for swapped in (
        {"code": proof.email_code, "email_code": proof.code},
        {"code": proof.code, "email_code": proof.code},
    ):
        assert await refusal(complete(context, proof.signup_token, **swapped)) == "code_invalid"
    await complete_sign_up(context, ANYBODY, proof)
    for mailbox in (customer["email"], "new@example.net"):
        assert "was signed up" in (await mails(context, sandbox, mailbox))[0]["text"]


async def test_codes_are_bounded_for_each_sign_up_and_then_even_the_right_one_is_refused(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    token = await begun(context, request_of(customer))
    code = await code_to(context, sandbox, customer["email"])
    guesses = [complete(context, token, "2222-2222", elsewhere(number)) for number in range(20)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(each, NotAuthenticated) for each in answers) == TRIES
    assert await refusal(complete(context, token, code, elsewhere(99))) == "signup_token_invalid"
    await signed_up(context, sandbox, customer)


async def test_codes_are_bounded_for_each_address_whatever_the_sign_up(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    tokens = [await begun(context, request_of(customer)) for _ in range(2)]
    for token in (*[tokens[0]] * 3, *[tokens[1]] * 2):
        assert await refusal(complete(context, token, "2222-2222")) == "code_invalid"
    with pytest.raises(RateLimited):
        await complete(context, tokens[1], await code_to(context, sandbox, customer["email"]))
    await complete(context, tokens[1], await code_to(context, sandbox, customer["email"]), elsewhere(1))


async def test_strangers_who_try_codes_of_a_number_hold_up_nobody_who_has_the_right_one(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    for number in range(10, 20):
        token = await begun(context, request_of(customer, **WRONG), elsewhere(number))
        for _ in range(TRIES):
            with pytest.raises(PortalError):
                await complete(context, token, "2222-2222", elsewhere(number))
    with pytest.raises(RateLimited):
        await complete(context, token, "2222-2222", elsewhere(99))
    await signed_up(context, sandbox, customer)


async def test_a_code_is_good_for_its_own_number_and_half_an_hour(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    other = [each for each in sandbox.state["customers"] if not each["whmcs_client_id"]][1]
    mine, theirs = [await begun(context, request_of(each)) for each in (customer, other)]
    code = await code_to(context, sandbox, customer["email"])
    assert await refusal(complete(context, theirs, code)) == "code_invalid"
    await context.pool.execute("UPDATE portal.enrolments SET created_at = created_at - interval '31 minutes'")
    assert await refusal(complete(context, mine, code)) == "code_invalid"
    await context.pool.execute("UPDATE portal.enrolments SET expires_at = now()")
    assert await refusal(complete(context, mine, code)) == "signup_token_invalid"


async def test_a_code_is_good_for_one_of_two_numbers_with_one_mailbox(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    other = [each for each in sandbox.state["customers"] if not each["whmcs_client_id"]][1]
    body = {"AccountId": other["salesforce_account_id"], "LastName": "Family", "Email": customer["email"]}
    (await sandbox.control.post("/salesforce/Contact", json=body)).raise_for_status()
    mine = await begun(context, request_of(customer))
    code = await code_to(context, sandbox, customer["email"])
    theirs = await begun(context, request_of(other, email=customer["email"]))
    assert await refusal(complete(context, theirs, code)) == "code_invalid"
    second = await code_to(context, sandbox, customer["email"])
    assert second != code
    assert await refusal(complete(context, mine, second)) == "code_invalid"


async def test_a_finished_sign_up_says_so_and_a_made_up_token_does_not(
    context: Context, sandbox: Any, customer: dict[str, Any]
) -> None:
    proof = await proof_of(context, sandbox, customer)
    await complete_sign_up(context, ANYBODY, proof)
    assert await refusal(complete_sign_up(context, ANYBODY, proof)) == "account_exists"
    assert await refusal(complete(context, "made-up", proof.code)) == "signup_token_invalid"
    assert await context.pool.fetchval("SELECT sealed_facts FROM portal.enrolments") == b""


async def test_no_word_of_a_stranger_is_mailed(context: Context, sandbox: Any, customer: dict[str, Any]) -> None:
    bait = "Pay at https://evil.example now"
    await begun(context, request_of(customer, first_name=bait, last_name=bait, email=THIEF))
    [sent] = await mails(context, sandbox, customer["email"])
    assert "evil" not in sent["text"] + sent["subject"]
    assert THIEF not in sent["text"]


async def test_what_waits_holds_nothing_in_the_clear(
    context: Context, sandbox: Any, pool: asyncpg.Pool, customer: dict[str, Any]
) -> None:
    request: SignUp = request_of(customer, email="new@example.net")
    token = await begun(context, request)
    code = await code_to(context, sandbox, customer["email"])
    for table in ("portal.enrolments", "portal.audit", "portal.commands"):
        content = str(await pool.fetch(f"SELECT t::text FROM {table} t"))
        for secret in (token, code, request.email, request.password, request.last_name, "argon2"):
            assert secret not in content, table
    assert code not in str(await pool.fetch("SELECT t::text FROM portal.mails t"))


def test_a_code_is_another_one_for_everything_that_it_is_made_of(settings: Settings) -> None:
    at = datetime(2026, 11, 30, 12, 10, tzinfo=UTC)
    other = msgspec.structs.replace(settings, portal_secret="another secret of thirty-two characters")
    codes = [
        mailed_codes.code(settings, "sign_up_code", "C-1", "a@example.jp", at),
        mailed_codes.code(settings, "link_code", "C-1", "a@example.jp", at),
        mailed_codes.code(settings, "sign_up_code", "C-11", "a@example.jp", at),
        mailed_codes.code(settings, "sign_up_code", "C-1", "b@example.jp", at),
        mailed_codes.code(settings, "sign_up_code", "C-1", "a@example.jp", at + timedelta(minutes=30)),
        mailed_codes.code(other, "sign_up_code", "C-1", "a@example.jp", at),
    ]
    assert len(set(codes)) == len(codes)
    same = mailed_codes.code(settings, "sign_up_code", "C-1", "A@example.jp", at + timedelta(minutes=19))
    assert same == codes[0]
