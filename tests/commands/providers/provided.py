"""Services that the portal provisioned in the sandbox, for tests of how their providers follow billing."""

from typing import Any

from app.commands.execution.context import Actor
from app.commands.providers.follow import follow
from app.commands.providers.take_up import take_up


class Provided:
    """One provided service: billing's side, the provider's side and the journal between them."""

    def __init__(self, desk: Any, actor: Actor, order_id: str, subscription_id: str, name: str) -> None:
        self.desk, self.actor, self.order_id = desk, actor, order_id
        self.subscription_id, self.name = subscription_id, name

    async def billing(self, **changed: Any) -> None:
        """Change the service in WHMCS, and let the portal hear of it."""
        path = f"/whmcs/services/{self.subscription_id}"
        (await self.desk.sandbox.control.patch(path, json={**changed, "silent": True})).raise_for_status()
        await self.desk.reread("service", self.subscription_id)

    async def says(self, status: str, reason: str = "") -> None:
        """WHMCS sets the service to a status."""
        await self.billing(status=status, suspensionreason=reason)

    async def gets_product(self, pid: object) -> None:
        """Staff move the service to another product, without an upgrade."""
        fields = {"serviceid": self.subscription_id, "pid": pid}
        await self.desk.resources.whmcs.call("UpdateClientProduct", fields, write=True, timeout_seconds=30)
        await self.desk.reread("service", self.subscription_id)

    async def follow(self, *, hurried: bool = True) -> None:
        """Run the process once, as if enough time had passed."""
        self.desk.let_in()
        await take_up(self.desk.pool, self.desk.resources.inbox)
        if hurried:
            await self.hurry()
        await follow(self.desk.context)
        await self.desk.settle()

    async def hurry(self, seconds: int = 300) -> None:
        """Whatever the service waits for, five minutes have passed."""
        await self.desk.pool.execute(
            "UPDATE portal.provided_services SET next_attempt_at = now(), "
            "step_at = step_at - $2 * interval '1 second' WHERE subscription_id = $1",
            self.subscription_id,
            seconds,
        )

    async def grace_over(self) -> None:
        """The grace of an ended service has passed."""
        await self.desk.pool.execute(
            "UPDATE portal.provided_services SET remove_at = now() - interval '1 second', next_attempt_at = now() "
            "WHERE subscription_id = $1 AND remove_at IS NOT NULL",
            self.subscription_id,
        )

    async def journal(self) -> dict[str, Any]:
        """Return the journal's row."""
        row = await self.desk.pool.fetchrow(
            "SELECT * FROM portal.provided_services WHERE subscription_id = $1", self.subscription_id
        )
        return dict(row)

    async def steps(self, outcome: str = "begun") -> list[str]:
        """Return the steps with an outcome, oldest first."""
        rows = await self.desk.pool.fetch(
            "SELECT step FROM portal.provider_steps WHERE subscription_id = $1 AND outcome = $2 ORDER BY id",
            self.subscription_id,
            outcome,
        )
        return [row["step"] for row in rows]

    async def account(self) -> dict[str, Any] | None:
        """Return the hosting account as the server has it."""
        rows = (await self.desk.sandbox.control.get("/whm/accounts", params={"user": self.name})).json()["records"]
        return dict(rows[0]) if rows else None

    async def line(self) -> dict[str, Any]:
        """Return the line as Freebit has it."""
        found: dict[str, Any] = (await self.desk.sandbox.control.get(f"/freebit/lines/{self.name}")).json()
        return found

    async def calls(self, upstream: str, operation: str) -> int:
        """Count the calls of an operation."""
        return [call["operation"] for call in await self.desk.sandbox.calls(upstream)].count(operation)

    async def cases(self) -> list[dict[str, Any]]:
        """Return the cases of the customer's Salesforce account that have no origin."""
        soql = (
            "SELECT Id, Subject, Description, Origin FROM Case "
            f"WHERE AccountId = '{self.actor.salesforce_account_id}' AND Origin = null"
        )
        found: list[dict[str, Any]] = await self.desk.resources.salesforce.query(soql)
        return found

    async def text(self) -> str:
        """Return the sentence that the customer reads."""
        import msgspec

        await self.desk.settle()
        body = await self.desk.pool.fetchval(
            "SELECT document FROM read_model.subscriptions WHERE subscription_id = $1", self.subscription_id
        )
        return str(msgspec.json.decode(body)["status_text"])


async def provided(desk: Any, category: str, number: int = 0, actor: Actor | None = None, **more: Any) -> Provided:
    """Order, approve and fulfil a service of a category, and let the process take it up."""
    actor = actor or await desk.customer(number=number)
    order_id = await desk.ordered(category, actor, **more)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    facts = (await desk.journal(order_id))["facts"]
    name = facts["hosting_username" if category == "hosting" else "sim_account"]
    await take_up(desk.pool, desk.resources.inbox)
    subscription_id = await desk.pool.fetchval(
        "SELECT subscription_id FROM portal.provided_services WHERE account_name = $1", name
    )
    assert subscription_id is not None
    found = Provided(desk, actor, order_id, subscription_id, name)
    await found.follow()
    return found
