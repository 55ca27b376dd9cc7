"""The mail about an unpaid invoice, written from what is true when it is sent.

Reads: portal.dunning_steps, dunning, dunning_news; read_model.invoices.
"""

from typing import Any
from uuid import UUID

import msgspec

from app.db import Db
from app.inputs.text import said
from app.integrations.mail import Mail
from app.readmodels.billing import dunning_sentences
from app.readmodels.billing.dunning import DunningFacts
from app.settings import Settings

SUBJECTS = {
    "trying": "We could not charge invoice {}",
    "grace": "Invoice {} is unpaid, and your service will be suspended",
    "suspended": "Invoice {} is unpaid, and what it bills is suspended",
}
RESTORED = "Your service is switched on again"
_ABOUT = """
SELECT s.step, n.facts -> 'invoice' AS facts, i.status = 'unpaid' AND coalesce(i.balance > 0, true) AS owed
FROM portal.dunning_steps s
JOIN portal.dunning_news n USING (whmcs_invoice_id)
LEFT JOIN read_model.invoices i ON i.invoice_id = s.whmcs_invoice_id::text AND i.account_id::text = s.account_id
WHERE s.notice_id = $1
"""


async def write(connection: Db, settings: Settings, user: Any, about: UUID | None) -> Mail | None:
    """Write the mail about a step; None if it is not true any more: the invoice is paid, paused, or further along."""
    found = await connection.fetchrow(_ABOUT, about)
    if found is None or found["facts"] is None:
        return None
    facts = msgspec.convert(found["facts"], DunningFacts)
    number = said(facts.invoice_number or facts.invoice_id)
    where = f"Invoices and payment methods are in the portal:\n\n{settings.mailed_url}\n"
    if found["step"] == "restored":
        text = f"What invoice {number} bills is switched on again."
        if facts.status == "ended":
            text = f"Invoice {number} is settled, and what it bills is switched on again. Thank you."
        return Mail(user["email"], RESTORED, f"{text}\n\n{where}")
    if facts.status not in SUBJECTS or not found["owed"]:
        return None
    subject = SUBJECTS[facts.status] if facts.status != "grace" or facts.suspend_on else "Invoice {} is unpaid"
    text = dunning_sentences.of_invoice(facts, number)
    return Mail(user["email"], subject.format(number), f"{text}\n\n{where}")
