"""A driver of dunning in tests: days pass, the jobs run, customers and staff act in the sandbox's WHMCS."""

import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.commands.dunning import journal
from app.commands.dunning.follow import follow
from app.commands.dunning.journal import DunningRow
from app.commands.execution.context import Actor
from app.errors import PortalError
from app.processes import chores, dunning
from app.processes.clock.job import Postponed, Unit

TOKYO = ZoneInfo("Asia/Tokyo")
MONDAY = date(2027, 1, 18)
"""The due date of most tests: no holiday is within the five weeks after it but 11 and 23 February."""
DECLINED, GOOD = "4000000000000002", "4242424242424242"


class Collecting:
    """Dunning of one sandbox, day by day. `at` is the portal's clock, and WHMCS's is moved with it."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        self.at = datetime.now(UTC)
        self.said: list[str] = []

    async def begin(self, since: date = date(2027, 1, 1)) -> None:
        """Both tasks have been the portal's since a day."""
        at = datetime.combine(since, time(12), TOKYO)
        for task in ("captures", "suspension"):
            await self.desk.pool.execute(
                "INSERT INTO portal.billing_tasks (task, automator, automator_since, whmcs_switch, checked_at) "
                "VALUES ($1, 'portal', $2, 'off', now()) ON CONFLICT (task) DO UPDATE SET automator_since = $2",
                task,
                at,
            )

    async def move_to(self, day: date, hour: int = 11) -> None:
        """Let both clocks show an hour of a day; what is in doubt at a gateway has ended by then."""
        before, self.at = self.at, datetime.combine(day, time(hour), TOKYO)
        offset = (self.at - datetime.now(UTC)).total_seconds()
        (await self.desk.sandbox.control.put("/clock", json={"offset_seconds": offset})).raise_for_status()
        passed = max((self.at - before).total_seconds(), 0.0)
        await self.desk.pool.execute(
            "UPDATE portal.captures SET sent_at = sent_at - $1 * interval '1 second'", min(passed, 86_400.0)
        )

    async def day(self, day: date, hour: int = 11) -> None:
        """Let a day come, and run every job."""
        await self.move_to(day, hour)
        await self.run()

    async def days(self, first: date, count: int) -> None:
        """Let days come, one after another."""
        for number in range(count):
            await self.day(first + timedelta(days=number))

    async def later(self, minutes: int) -> None:
        """Let minutes pass: what is in doubt at a gateway has ended by then, and no upstream is left alone."""
        self.at += timedelta(minutes=minutes)
        for table in ("captures", "capture_attempts"):
            await self.desk.pool.execute(
                f"UPDATE portal.{table} SET sent_at = sent_at - $1 * interval '1 minute'", minutes
            )
        await self.desk.pool.execute("UPDATE portal.capture_attempts SET looked_at = NULL")
        self.desk.let_in()

    async def run(self, *, careful: bool = False) -> None:
        """Run every job once, in the order in which they come; `careful`, as the runner does, past units that fail."""
        self.desk.let_in()
        await chores.look_at_captures(self.desk.resources)
        for job in (dunning.captures, dunning.suspension):
            await self._units(job, careful=careful)
        await self.follow()

    async def captures(self) -> None:
        """Run the job that charges."""
        await self._units(dunning.captures)

    async def suspension(self) -> None:
        """Run the job that suspends."""
        await self._units(dunning.suspension)

    async def follow(self) -> None:
        """Run the job that follows what is paid."""
        await follow(self.desk.context, self.at)
        await self.desk.settle()
        self.at += timedelta(minutes=1)

    async def _units(self, job: Callable[..., AsyncGenerator[Unit, None]], *, careful: bool = False) -> None:
        try:
            async with aclosing(job(self.desk.resources, self.at)) as units:
                async for unit in units:
                    self.said.append(unit.what)
                    with contextlib.suppress(*(PortalError,) if careful else ()):
                        await unit.do()
        except Postponed as reason:
            self.said.append(str(reason))
        await self.desk.settle()

    async def bill(self, actor: Actor, due_on: date, service_id: str | None = None, amount: str = "1000") -> str:
        """Create an unpaid invoice of a card customer for a service, issued two weeks before it is due."""
        body = {"userid": actor.whmcs_client_id, "amount": amount, "silent": True}
        issued = {"date": str(due_on - timedelta(days=14)), "duedate": str(due_on), "paymentmethod": "stripe"}
        made = (await self.desk.sandbox.control.post("/whmcs/invoices", json={**body, **issued})).json()
        if service_id:
            line = {"type": "Hosting", "relid": service_id, "amount": amount, "silent": True}
            (await self.desk.sandbox.control.post(f"/whmcs/invoices/{made['id']}/lines", json=line)).raise_for_status()
        await self.desk.reread("invoice", made["id"])
        return str(made["id"])

    async def service(self, actor: Actor) -> str:
        """Return an active recurring service of a customer."""
        found = await self.desk.pool.fetchval(
            "SELECT subscription_id FROM read_model.subscriptions WHERE account_id = $1 AND status = 'active' "
            "AND item_class = 'service' ORDER BY sort_id LIMIT 1",
            actor.account_id,
        )
        assert found is not None
        return str(found)

    async def card(self, actor: Actor, number: str, *, only: bool = False) -> str:
        """Give a customer a card, which WHMCS charges from now on if it is the `only` one."""
        control, client_id = self.desk.sandbox.control, actor.whmcs_client_id
        if only:
            for each in (await control.get("/whmcs/pay_methods", params={"clientid": client_id})).json()["records"]:
                await control.delete(f"/whmcs/pay_methods/{each['id']}")
        made = (await control.post(f"/whmcs/clients/{client_id}/pay-methods", json={"card_number": number})).json()
        await self.desk.reread("pay_methods", client_id)
        return str(made["id"])

    async def whmcs(self, table: str, record_id: str) -> dict[str, Any]:
        """Return a record as WHMCS has it."""
        found: dict[str, Any] = (await self.desk.sandbox.control.get(f"/whmcs/{table}/{record_id}")).json()
        return found

    async def staff(self, table: str, record_id: str, *, reread: str, **changed: Any) -> None:
        """Staff change a record in WHMCS, and the portal hears of it."""
        (await self.desk.sandbox.control.patch(f"/whmcs/{table}/{record_id}", json=changed)).raise_for_status()
        await self.desk.reread(reread, record_id)

    async def pay(self, invoice_id: str, **body: Any) -> None:
        """Somebody pays in WHMCS, and the portal hears of it."""
        (await self.desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay", json=body)).raise_for_status()
        await self.desk.reread("invoice", invoice_id)

    async def row(self, invoice_id: str) -> DunningRow | None:
        """Return the journal's row of an invoice."""
        return await journal.one(self.desk.pool, invoice_id)

    async def state(self, invoice_id: str) -> str:
        """Return the state of an invoice's dunning, empty for none."""
        row = await self.row(invoice_id)
        return row.state if row else ""

    async def status(self, service_id: str) -> str:
        """Return the status of a service in WHMCS."""
        return str((await self.whmcs("services", service_id))["status"])

    async def told(self, invoice_id: str) -> list[str]:
        """Return what the customer was told, in order, with the number of each."""
        rows = await self.desk.pool.fetch(
            "SELECT step, number FROM portal.dunning_steps WHERE whmcs_invoice_id = $1 ORDER BY id", int(invoice_id)
        )
        return [f"{each['step']} {each['number']}" for each in rows]

    async def tries(self) -> int:
        """Count the charges that were sent to WHMCS."""
        return [each["operation"] for each in await self.desk.sandbox.calls("whmcs")].count("CapturePayment")
