"""The mail about an unpaid invoice, written from what is true when it is sent.

Reads: portal.dunning_steps, dunning, dunning_news; read_model.invoices.
"""

from uuid import UUID

import msgspec

from app.commands.execution.composed_mail import Addressee, mail
from app.db import Db
from app.inputs.text import said
from app.integrations.mail import Mail
from app.readmodels.billing import dunning_sentences
from app.readmodels.billing.dunning import DunningFacts
from app.settings import Settings
from app.words.sentence import Sentence, say

_ABOUT = """
SELECT s.step, n.facts -> 'invoice' AS facts, i.status = 'unpaid' AND coalesce(i.balance > 0, true) AS owed
FROM portal.dunning_steps s
JOIN portal.dunning_news n USING (whmcs_invoice_id)
LEFT JOIN read_model.invoices i ON i.invoice_id = s.whmcs_invoice_id::text AND i.account_id::text = s.account_id
WHERE s.notice_id = $1
"""


async def write(connection: Db, settings: Settings, to: Addressee, about: UUID | None) -> Mail | None:
    """Write the mail about a step; None if it is not true any more: the invoice is paid, paused, or further along."""
    found = await connection.fetchrow(_ABOUT, about)
    if found is None or found["facts"] is None:
        return None
    facts = msgspec.convert(found["facts"], DunningFacts)
    number, where = said(facts.invoice_number or facts.invoice_id), say("mails.dunning_where")
    if found["step"] == "restored":
        text = say("mails.dunning_restored", number=number)
        if facts.status == "ended":
            text = say("mails.dunning_settled", number=number)
        return mail(to, say("mails.dunning_restored_subject"), text, where, settings.mailed_url)
    subject = _subject(facts, number)
    if subject is None or not found["owed"]:
        return None
    return mail(to, subject, dunning_sentences.of_invoice(facts, number), where, settings.mailed_url)


def _subject(facts: DunningFacts, number: str) -> Sentence | None:
    """Return the subject for what is true of an invoice; None where nothing is to be mailed."""
    if facts.status == "trying":
        return say("mails.dunning_trying_subject", number=number)
    if facts.status == "grace" and facts.suspend_on:
        return say("mails.dunning_grace_subject", number=number)
    if facts.status == "grace":
        return say("mails.dunning_unpaid_subject", number=number)
    return say("mails.dunning_suspended_subject", number=number) if facts.status == "suspended" else None
