"""Mutual exclusion of commands: a second run of the same work does not begin and is refused with a retry-after."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from app.audit import Operator
from app.commands.account import edit_client
from app.commands.account.change_profile import ChangeProfile, ProfileChange, change_profile
from app.commands.billing.create_payment_link import PayInvoice
from app.commands.billing.manage_payment_methods import OneMethod, remove_payment_method
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.execution.locks import Locks
from app.commands.fulfilment import decide
from app.commands.identity import passwords, staff_members
from app.commands.identity.enrolment.complete_sign_up import complete_sign_up
from app.commands.orders.place_order import place_order
from app.commands.subscriptions.service_lock import lock_service
from app.errors import Conflict, Overloaded
from tests.fixtures.enrolling import ANYBODY, proof_of

AYA = Operator(name="aya")


async def told(desk: Any, key: tuple[Any, ...], call: Any) -> str:
    """Return the code of the refusal while another process holds the lock."""
    elsewhere = Locks(desk.context.settings.database_url)
    async with elsewhere.exclusively(*key) as mine:
        assert mine
        with pytest.raises(Conflict) as refused:
            await call()
    await elsewhere.close()
    return refused.value.code


async def test_an_order(desk: Any) -> None:
    hana, basket = await desk.customer(), await desk.basket("sim")
    key = ("place_order", hana.account_id)
    assert await told(desk, key, lambda: place_order(desk.context, hana, basket)) == "order_in_progress"


async def test_an_edit_waits_a_while_first(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_client, "PATIENCE_SECONDS", 0.1)
    hana = await desk.customer()
    wanted = ChangeProfile(ProfileChange(first_name="Hanako"))
    key = ("client", hana.account_id)
    assert await told(desk, key, lambda: change_profile(desk.context, hana, wanted)) == "edit_in_progress"


async def test_a_payment_and_a_payment_method(desk: Any) -> None:
    hana = await desk.customer()
    invoice_id = await desk.bill(hana)
    [card] = await desk.pool.fetch("SELECT payment_method_id AS id FROM read_model.payment_methods")
    key: tuple[Any, ...] = ("pay_invoice", hana.account_id, invoice_id)
    paying = pay_invoice(desk.context, hana, PayInvoice(invoice_id))
    assert await told(desk, key, lambda: paying) == "payment_in_progress"
    key = ("payment_methods", hana.account_id)
    removing = remove_payment_method(desk.context, hana, OneMethod(card["id"]))
    assert await told(desk, key, lambda: removing) == "edit_in_progress"


async def test_a_fulfilment(desk: Any) -> None:
    order_id = await desk.ordered("vpn", await desk.customer())
    cancelling = decide.cancel(desk.context, AYA, order_id, "second thoughts")
    assert await told(desk, ("fulfilment", order_id), lambda: cancelling) == "fulfilment_busy"


async def test_a_sign_up(desk: Any) -> None:
    person = desk.sandbox.customer(with_whmcs=False)
    signing = complete_sign_up(desk.context, ANYBODY, await proof_of(desk.context, desk.sandbox, person))
    key = ("sign_up", person["salesforce_account_id"])
    assert await told(desk, key, lambda: signing) == "signup_in_progress"


async def test_an_address_has_one_user(desk: Any) -> None:
    await desk.pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'aya@example.jp', 'x')", uuid4()
    )
    with pytest.raises(Conflict) as refused:
        await staff_members.add(desk.pool, AYA, "Aya@example.jp", "support", "Aya")
    assert refused.value.code == "email_taken"
    assert isinstance(await staff_members.add(desk.pool, AYA, "ben@example.jp", "support", "Ben"), UUID)


async def test_a_flood_of_logins_is_not_queued_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 0)
    with pytest.raises(Overloaded) as refused:
        await passwords.matches(None, "paper crane lantern 24")
    assert refused.value.code == "too_many_logins"


async def test_a_service_takes_turns(desk: Any) -> None:
    async with lock_service(desk.context, "55"):
        with pytest.raises(Conflict) as caught:
            async with lock_service(desk.context, "55"):
                raise AssertionError("two at once")
    assert caught.value.code == "subscription_busy"
