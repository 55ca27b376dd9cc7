"""The portal's database is put back to twenty days ago, with the journal of charges: nobody pays twice for that, and
nobody is suspended for what the portal does not remember."""

from datetime import date, timedelta

from app.commands.execution.context import Actor
from tests.commands.dunning.backup import Backup
from tests.commands.dunning.collecting import DECLINED, GOOD, MONDAY, Collecting


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


async def customer(c: Collecting, number: int, due_on: date, card: str = DECLINED) -> tuple[Actor, str, str]:
    """Return a customer with one card, the service and its unpaid invoice."""
    actor = await c.desk.customer(number=number)
    await c.card(actor, card, only=True)
    service = await c.service(actor)
    return actor, service, await c.bill(actor, due_on, service)


async def test_a_restored_backup_charges_and_suspends_nobody_wrongly(collecting: Collecting) -> None:
    c = collecting
    aya_herself, aya, unpaid = await customer(c, 0, MONDAY)  # suspended meanwhile
    ben_himself, ben, charged = await customer(c, 1, MONDAY)  # charged by the portal meanwhile
    _, cho, transferred = await customer(c, 2, MONDAY)  # has paid in WHMCS meanwhile
    _, dai, later = await customer(c, 3, day(12))  # fell due meanwhile
    _, eri, good = await customer(c, 4, day(4), GOOD)  # was charged on the due date meanwhile
    await c.days(MONDAY, 3)
    backup = await Backup.of(c.desk.pool)
    await c.card(ben_himself, GOOD, only=True)
    await c.days(day(3), 9)
    await c.pay(transferred, gateway="banktransfer")
    await c.days(day(12), 11)
    assert [await c.status(each) for each in (aya, ben, cho, dai, eri)] == ["Suspended", *["Active"] * 4]
    paid = {each: len(await c.desk.payments(each)) for each in (unpaid, charged, transferred, later, good)}
    assert paid == {unpaid: 0, charged: 1, transferred: 1, later: 0, good: 1}
    await backup.restore()
    await c.desk.reread("client_services", aya_herself.whmcs_client_id)  # as the comparison with WHMCS does
    await c.days(day(23), 10)
    assert {each: len(await c.desk.payments(each)) for each in paid} == paid
    assert [await c.status(each) for each in (aya, ben, cho, dai, eri)] == ["Suspended", *["Active"] * 4]
    assert await c.state(charged) == await c.state(transferred) == "settled"
    await c.pay(unpaid, gateway="banktransfer")
    await c.follow()
    await c.follow()
    assert (await c.status(aya), await c.state(unpaid)) == ("Active", "settled")
