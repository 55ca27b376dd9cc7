"""A provisioning step: the welcome mail. It contains no password, because none is known.

Writes: portal.provision_steps, portal.mails.
"""

from app.commands import mail_outbox
from app.commands.fulfilment.provision.task import ProvisionTask
from app.commands.fulfilment.work import Next, Outcome

_ONCE = """
UPDATE portal.provision_steps SET facts = facts || '{"mailed": true}'
WHERE order_id = $1 AND position = $2 AND NOT facts ? 'mailed' RETURNING true
"""
_USER = "SELECT user_id FROM portal.id_mappings WHERE account_id = $1"


async def send_welcome_email(task: ProvisionTask) -> Outcome:
    """Enqueue the mail in the transaction that records that it was enqueued."""
    async with task.ctx.pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_ONCE, task.order_id, task.position):
            await mail_outbox.enqueue_for_user(connection, "welcome", await connection.fetchval(_USER, task.account_id))
    return Next()
