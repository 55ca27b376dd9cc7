"""Which holds cover an invoice: its own, whoever has it now, and those of the account that it belongs to.

The holds of an account follow its customer through a merge (`merged_holds`).
"""

COVERS = """
h.lifted_at IS NULL AND (h.until IS NULL OR h.until >= {today})
    AND (h.whmcs_invoice_id = {invoice} OR h.whmcs_invoice_id IS NULL AND h.account_id = {account})
"""


def covers(*, account: str, invoice: str, today: str) -> str:
    """Return the condition, in SQL, that the hold `h` covers an invoice today. The arguments are SQL too: the account
    is a text, the invoice a number."""
    return COVERS.format(account=account, invoice=invoice, today=today)
