"""Choosing and removing payment methods: own ones alone, and never the last one while something is to be paid."""

from typing import Any

import pytest

from app.commands.billing.create_payment_link import PayInvoice
from app.commands.billing.manage_payment_methods import OneMethod, remove_payment_method, set_default_payment_method
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.execution.context import Actor
from app.errors import Conflict, NotFound, PaymentRefused, UpstreamUnavailable


@pytest.fixture
async def hana(desk: Any) -> Actor:
    """A customer with services and one card."""
    return await desk.customer()


async def add_card(desk: Any, actor: Actor, number: str = "5555555555554444") -> str:
    """Another card; its id."""
    body = {"card_number": number, "expiry": "12/30", "silent": True}
    response = await desk.sandbox.control.post(f"/whmcs/clients/{actor.whmcs_client_id}/pay-methods", json=body)
    await desk.reread("pay_methods", actor.whmcs_client_id)
    return str(response.json()["id"])


async def shown(desk: Any, actor: Actor) -> set[str]:
    await desk.settle()
    rows = await desk.pool.fetch(
        "SELECT payment_method_id FROM read_model.payment_methods WHERE account_id = $1", actor.account_id
    )
    return {row["payment_method_id"] for row in rows}


async def remove(desk: Any, actor: Actor, method_id: str) -> None:
    await remove_payment_method(desk.context, actor, OneMethod(method_id))


async def test_the_chosen_method_is_the_one_that_is_charged(desk: Any, hana: Actor) -> None:
    bad = await add_card(desk, hana, "4000000000000002")
    [good] = await shown(desk, hana) - {bad}
    invoice_id = await desk.bill(hana)
    await set_default_payment_method(desk.context, hana, OneMethod(bad))
    with pytest.raises(PaymentRefused):
        await pay_invoice(desk.context, hana, PayInvoice(invoice_id))
    await set_default_payment_method(desk.context, hana, OneMethod(good))
    done = await pay_invoice(desk.context, hana, PayInvoice(invoice_id))
    assert done.result.status == "paid"


async def test_a_removed_method_is_gone_without_a_webhook(desk: Any, hana: Actor) -> None:
    spare = await add_card(desk, hana)
    before = await shown(desk, hana)
    await remove(desk, hana, spare)
    assert await shown(desk, hana) == before - {spare}
    with pytest.raises(NotFound) as gone:
        await remove(desk, hana, spare)
    assert gone.value.code == "payment_method_not_found"


async def test_the_last_one_stays_while_something_is_to_be_paid_with_it(desk: Any, hana: Actor) -> None:
    [only] = await shown(desk, hana)
    with pytest.raises(Conflict) as refused:
        await remove(desk, hana, only)
    assert refused.value.code == "payment_method_needed"
    for table in ("subscriptions", "orders", "invoices"):
        await desk.pool.execute(f"DELETE FROM read_model.{table}")
    await remove(desk, hana, only)
    assert await shown(desk, hana) == set()


async def test_a_strangers_method_is_as_absent_as_none(desk: Any, hana: Actor) -> None:
    [hers] = await shown(desk, hana)
    stranger = await desk.customer(number=1)
    for act in (remove_payment_method, set_default_payment_method):
        for method_id in (hers, "999999", "x"):
            with pytest.raises(NotFound) as caught:
                await act(desk.context, stranger, OneMethod(method_id))
            assert caught.value.code == "payment_method_not_found"
    assert await shown(desk, hana) == {hers}


async def test_one_that_whmcs_has_no_more_is_gone_here_too(desk: Any, hana: Actor) -> None:
    spare = await add_card(desk, hana)
    await desk.sandbox.control.delete(f"/whmcs/pay-methods/{spare}")
    with pytest.raises(NotFound):
        await set_default_payment_method(desk.context, hana, OneMethod(spare))
    assert spare not in await shown(desk, hana)


@pytest.mark.parametrize("kind", ["timeout_after_write", "timeout", "reset", "empty", "down"])
@pytest.mark.parametrize("operation", ["DeletePayMethod", "UpdatePayMethod"])
async def test_a_doubt_is_a_reason_to_try_again_and_trying_again_works(
    desk: Any, hana: Actor, operation: str, kind: str
) -> None:
    spare = await add_card(desk, hana)
    act = remove_payment_method if operation == "DeletePayMethod" else set_default_payment_method
    await desk.sandbox.fault("whmcs", kind, operation)
    with pytest.raises(UpstreamUnavailable):
        await act(desk.context, hana, OneMethod(spare))
    await act(desk.context, hana, OneMethod(spare))
    assert (spare in await shown(desk, hana)) is (operation == "UpdatePayMethod")
