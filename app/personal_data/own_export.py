"""A customer's own copy of their data: what they entered, what they are shown, and what they did here.

It is smaller than the operators' export (`export.py`): raw records of the systems of record have notes of staff in
them, and journals have their errors and decisions. What a customer is shown is taken from the documents of the API.

Reads: portal.*, read_model.*.
"""

import io
import zipfile
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from app.errors import TooLarge
from app.personal_data import subject as subjects
from app.personal_data.export import rows_of
from app.personal_data.subject import Subject

MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 100_000
"""Bounds of an archive, and of each file in it."""


def _documents(table: str, where: str = "true", column: str = "document") -> str:
    return f"SELECT {column} AS document FROM read_model.{table} WHERE account_id = $3 AND {where}"


STATEMENTS = {
    "user": "SELECT email, first_name, last_name, created_at, updated_at, password_changed_at "
    "FROM portal.users WHERE id = $1",
    "account": "SELECT account_id, whmcs_client_id, salesforce_account_id, customer_number, linked_at "
    "FROM portal.id_mappings WHERE account_id = $3",
    "sessions": "SELECT created_at, last_seen_at, expires_at, revoked_at, address, user_agent, mfa "
    "FROM portal.sessions WHERE user_id = $1",
    "second_factor": "SELECT created_at, confirmed_at FROM portal.totp WHERE user_id = $1",
    "mails": "SELECT kind, recipient, requested_at, finished_at, outcome FROM portal.mails "
    "WHERE lower(recipient) = lower($5)",
    "activity": "SELECT at, action, outcome, address FROM portal.audit WHERE user_id = $1",
    "commands": "SELECT id, name, state, created_at, finished_at FROM portal.commands WHERE account_id = $3",
    "payment_attempts": "SELECT invoice_id, amount, currency, card_type, card_last_four, sent_at, outcome "
    "FROM portal.capture_attempts WHERE account_id = $3",
    "plan_changes": "SELECT subscription_id, sku, product_name, state, invoice_id, created_at "
    "FROM portal.plan_changes WHERE account_id = $3",
    "scheduled_changes": "SELECT subscription_id, sku, product_name, effective_date, state, created_at, ended_at "
    "FROM portal.scheduled_changes WHERE account_id = $3",
    "notifications_read": "SELECT entry_id, read_at FROM portal.notification_reads WHERE account_id = $3",
    "profile": _documents("profiles"),
    "eligibility": _documents("eligibility"),
    "orders": _documents("orders"),
    "invoices": _documents("invoices", "status <> 'draft'"),
    "subscriptions": _documents("subscriptions"),
    "charges": _documents("charges", column="summary"),
    "payment_methods": _documents("payment_methods"),
    "timeline": _documents("timeline", "at <= now()"),
}
"""File → the rows in it. Columns are named one by one, so that none is exported by being added to a table."""


async def own_archive(pool: asyncpg.Pool, account_id: UUID) -> bytes:
    """Build the archive of an account as of one snapshot: one JSON file a subject, and a manifest.

    Raises:
        NotFound: `no_such_customer`.
        TooLarge: it exceeds the bounds; operators can export it.
    """
    packed = io.BytesIO()
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        subject, counts = await subjects.of_account(connection, account_id), dict[str, int]()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, statement in STATEMENTS.items():
                rows = await rows_of(connection, f"{statement} LIMIT {MOST_ROWS + 1}", subject)
                shown = [each["document"] if list(each) == ["document"] else each for each in rows]
                archive.writestr(f"{name}.json", msgspec.json.format(msgspec.json.encode(shown), indent=1))
                counts[name] = len(rows)
                if len(rows) > MOST_ROWS or packed.tell() > MOST_BYTES:
                    raise TooLarge("This account has more data than one archive may hold.")
            archive.writestr("manifest.json", _manifest(subject, counts))
    return packed.getvalue()


def _manifest(subject: Subject, counts: dict[str, int]) -> bytes:
    body = {
        "made_at": datetime.now(UTC),
        "customer_number": subject.customer_number,
        "rows": counts,
        "not_in_here": "The texts and attachments of support cases, which you read in the portal, and what the billing "
        "system and the sales system keep beyond what you are shown. Ask support for it.",
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=1)
