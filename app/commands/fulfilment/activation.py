"""Reports of activation to Salesforce: its begin and its completion, of which the customer is notified by mail.

Writes: portal.fulfilments, portal.provision_steps, portal.mails, Salesforce Order and OrderItem.
"""

from app.clock import now
from app.commands import mail_outbox
from app.commands.fulfilment import reports
from app.commands.fulfilment.provision.journal import begin_template
from app.commands.fulfilment.work import Next, Outcome, Work
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.salesforce import activation, orders, records
from app.integrations.whmcs import records as whmcs_records

_MAILED = """
UPDATE portal.fulfilments SET facts = facts || '{"mailed": true}' WHERE order_id = $1 AND NOT facts ? 'mailed'
RETURNING true
"""


async def announce(work: Work) -> Outcome:
    """Set the order to Activating and clear earlier errors."""
    if work.order.activation_status != activation.ACTIVATING or work.order.error_code:
        await reports.submit(work.ctx, activation.begin_activation(work.ctx.salesforce, work.order.order_id))
    return Next()


async def complete(work: Work) -> Outcome:
    """Set the order to Activated and Processed with its WHMCS ids, and submit the result to the read models.

    Its services are submitted before anybody can read that it is active: once it is not open any more, they are what
    stands in the way of a second line.
    """
    facts, order = work.job.facts, work.order
    await _submit_services(work)
    services = dict(zip((line.item_id for line in order.lines), facts.get("service_ids", ()), strict=False))
    await activation.complete(work.ctx.salesforce, order.order_id, facts["whmcs_order_id"], services, at=now())
    read_at = now()
    record, items = await orders.mirrored(work.ctx.salesforce, order.order_id)
    changes = [records.change("OrderItem", item, origin="command", read_at=read_at) for item in items]
    changes.append(records.change("Order", record, origin="command", read_at=read_at))
    reason = f"fulfilled:{order.order_id}"
    changes += [whmcs_hint(name, work.whmcs_client_id, reason) for name in ("client_services", "client_invoices")]
    await work.ctx.inbox.submit(changes)
    await _mail_once(work)
    if template := work.provision_template():
        await begin_template(work.ctx.pool, order.order_id, template)
    return Next()


async def _submit_services(work: Work) -> None:
    read_at = now()
    services = [await work.ctx.whmcs.service(each) for each in work.job.facts.get("service_ids", ())]
    await work.ctx.inbox.submit([whmcs_records.change(each, origin="command", read_at=read_at) for each in services])


async def _mail_once(work: Work) -> None:
    async with work.ctx.pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_MAILED, work.order.order_id):
            await mail_outbox.enqueue(connection, "service_active", work.email)
