"""Export everything the portal stores about a customer to one archive: one JSON file per table, and a manifest.

Secrets (hashes of passwords and tokens) are left out, and nothing else. Data in WHMCS, Salesforce and Freebit is
exported there; the manifest names the customer's ids.

Reads: portal.*, mirror.records, ingest.inbox, ingest.dead_letters, read_model.*. Writes: portal.audit.
"""

import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import asyncpg
import msgspec

from app.audit import Operator, audit
from app.db import Db
from app.errors import InvalidRequest
from app.ingest.privacy import strip_personal_data
from app.personal_data.subject import Progress, Subject

PART = ".part"
"""Suffix of a file until it is complete."""
SECRETS = ("password_hash", "token_hash", "secret", "code_hash", "body_hash", "email_hash", "sealed_facts")
COPIES = ("archive",)
"""Columns with copies of what is exported from where it belongs."""


def _of_owners(sql: str) -> str:
    return sql.replace("$1", "$2")


_ENROLMENTS = "(purpose = 'sign_up' AND subject = upper($4)) OR whmcs_client_ids && $2"
TABLES = {
    "portal/users": ("portal.users", "id = $1"),
    "portal/id_mappings": ("portal.id_mappings", "user_id = $1"),
    "portal/sessions": ("portal.sessions", "user_id = $1"),
    "portal/second_factor": ("portal.totp", "user_id = $1"),
    "portal/recovery_codes": ("portal.recovery_codes", "user_id = $1"),
    "portal/password_resets": ("portal.password_resets", "user_id = $1"),
    "portal/sign_in_codes": ("portal.sign_in_codes", "user_id = $1"),
    "portal/signups": ("portal.signups", "customer_number = $4"),
    "portal/link_tokens": ("portal.link_tokens", "whmcs_client_id = ANY($2)"),
    "portal/enrolments": ("portal.enrolments", _ENROLMENTS),
    "portal/invitations": ("portal.invitations", "customer_number = $4"),
    "portal/mails": (
        "portal.mails",
        "lower(recipient) = lower($5) OR about = $3 "
        f"OR about IN (SELECT id FROM portal.enrolments WHERE {_ENROLMENTS})",
    ),
    "portal/commands": ("portal.commands", "account_id = $3"),
    "portal/queued_commands": ("portal.queued_commands", "account_id = $3"),
    "portal/captures": ("portal.captures", "account_id = $3"),
    "portal/capture_attempts": ("portal.capture_attempts", "account_id = $3"),
    "portal/dunning": ("portal.dunning", "account_id = $3::text"),
    "portal/dunning_steps": ("portal.dunning_steps", "account_id = $3::text"),
    "portal/dunning_news": ("portal.dunning_news", "account_id = $3::text"),
    "portal/dunning_holds": ("portal.dunning_holds", "account_id = $3::text"),
    "portal/dunning_suspensions": ("portal.dunning_suspensions", "account_id = $3::text"),
    "portal/fulfilments": ("portal.fulfilments", "account_id = $3"),
    "portal/fulfilment_steps": (
        "portal.fulfilment_steps",
        "order_id IN (SELECT f.order_id FROM portal.fulfilments f WHERE f.account_id = $3)",
    ),
    "portal/provision_steps": (
        "portal.provision_steps",
        "order_id IN (SELECT f.order_id FROM portal.fulfilments f WHERE f.account_id = $3)",
    ),
    "portal/provided_services": ("portal.provided_services", "account_id = $3"),
    "portal/provider_steps": (
        "portal.provider_steps",
        "subscription_id IN (SELECT p.subscription_id FROM portal.provided_services p WHERE p.account_id = $3)",
    ),
    "portal/account_exports": ("portal.account_exports", "account_id = $3"),
    "portal/notification_reads": ("portal.notification_reads", "account_id = $3"),
    "portal/plan_changes": ("portal.plan_changes", "account_id = $3"),
    "portal/scheduled_changes": ("portal.scheduled_changes", "account_id = $3"),
    "portal/audit": ("portal.audit", "user_id = $1 OR account_id = $3 OR target = $3::text"),
    "mirror/records": (
        "mirror.records",
        f"(source, object, record_id) IN ({_of_owners(strip_personal_data.MIRRORED)})",
    ),
    "ingest/inbox": ("ingest.inbox", f"id IN ({_of_owners(strip_personal_data.ENTRIES)})"),
    "ingest/dead_letters": ("ingest.dead_letters", f"id IN ({_of_owners(strip_personal_data.LETTERS)})"),
}
"""File → (table, condition). The read models are added as the database lists them."""
_READ_MODELS = """
SELECT c.table_name AS name FROM information_schema.columns c
WHERE c.table_schema = 'read_model' AND c.column_name = 'account_id' ORDER BY 1
"""


async def export(
    pool: asyncpg.Pool, subject: Subject, operator: Operator, file: Path, report: Progress
) -> dict[str, int]:
    """Write the archive and return the number of rows per file.

    Only its owner can read the file, and it appears under its name once it is complete.

    Raises:
        InvalidRequest: `output_not_writable`.
    """
    part = file.with_name(file.name + PART)
    try:
        counts = await _write(pool, subject, part, report)
        part.replace(file)
    except (PermissionError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        sentence = f"{file} cannot be written: {error.strerror}. Name another file with --output."
        raise InvalidRequest(sentence, code="output_not_writable") from error
    await audit(pool, operator, "customer.export", [str(subject.account_id)], rows=str(sum(counts.values())))
    return counts


async def _write(pool: asyncpg.Pool, subject: Subject, file: Path, report: Progress) -> dict[str, int]:
    """Write all tables as of one snapshot."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        tables = dict(TABLES)
        for row in await connection.fetch(_READ_MODELS):
            tables[f"read_model/{row['name']}"] = (f"read_model.{row['name']}", "account_id = $3")
        with _private(file) as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
            counts: dict[str, int] = {}
            for number, (name, (table, where)) in enumerate(tables.items(), 1):
                rows = await rows_of(connection, f"SELECT * FROM {table} WHERE {where}", subject)
                archive.writestr(f"{name}.json", msgspec.json.format(msgspec.json.encode(rows), indent=1))
                counts[name] = len(rows)
                report(name, number, len(tables))
            archive.writestr("manifest.json", _manifest(subject, counts))
    return counts


def _private(file: Path) -> IO[bytes]:
    """Create a file that no other user can read at any time."""
    file.unlink(missing_ok=True)
    return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


async def rows_of(connection: Db, statement: str, subject: Subject) -> list[dict[str, Any]]:
    """Read rows of a customer: $1 is the user, $2 the owner ids, $3 the account, $4 the customer number, $5 the e-mail
    address. Every placeholder is listed once, so that each statement may use those it needs."""
    rows = await connection.fetch(
        f"WITH keys AS (SELECT $1::uuid, $2::text[], $3::uuid, $4::text, $5::text) {statement}",
        subject.user_id,
        subject.owner_ids,
        subject.account_id,
        subject.customer_number,
        subject.email,
        timeout=strip_personal_data.LONGEST_SECONDS,
    )
    return [dict(_shown(row)) for row in rows]


def _shown(row: Any) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if name not in (*SECRETS, *COPIES):
            yield name, _readable(value)


def _readable(value: Any) -> Any:
    """Decode documents, which are stored as bytes of JSON."""
    if not isinstance(value, bytes):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return value.hex()


def _manifest(subject: Subject, counts: dict[str, int]) -> bytes:
    body = {
        "made_at": datetime.now(UTC),
        "subject": subject,
        "rows": counts,
        "not_in_here": {
            "WHMCS": f"client {subject.whmcs_client_id}: invoices, tickets, e-mails, payment tokens",
            "Salesforce": f"account {subject.salesforce_account_id}: orders, cases, documents",
            "secrets": "hashes of passwords and tokens are not exported",
        },
    }
    return msgspec.json.format(msgspec.json.encode(body), indent=1)
