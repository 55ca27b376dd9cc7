"""Webhooks: verify, decode, record. Acknowledged means recorded.

A sender that did not receive its 202 sends again: the same id and body is acknowledged and recorded once. The same id
with another body is refused, because one of the two would be lost silently. A hook that WHMCS runs before it stores the
change triggers two refetches: one at once, one a little later.

Writes: ingest.inbox.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from app.clock import now
from app.db import Connection
from app.errors import Conflict
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.inbox import Inbox
from app.ingest.inbox.isolation import Append, Woken
from app.ingest.sources.admission import InboxAdmission
from app.integrations import signed_webhook
from app.integrations.salesforce.events import webhook as salesforce_webhook
from app.integrations.whmcs import webhook as whmcs_webhook
from app.settings import Settings

OUR_OWN = "doctor_"
"""Id prefix of webhooks that `portal doctor` sends: they do not prove that those of WHMCS arrive."""
LATER_SECONDS = 2
"""Delay of the second refetch: WHMCS stores within the request that runs the hook."""

_OTHER_BODY = "SELECT data ->> 'body' <> $3 FROM ingest.inbox WHERE source = $1 AND event_id = $2"
_LATER = (
    "UPDATE ingest.inbox SET next_attempt_at = clock_timestamp() + $3 * interval '1 second' "
    "WHERE source = $1 AND event_id = $2"
)


async def receive_whmcs(
    box: Inbox, admission: InboxAdmission, settings: Settings, headers: Mapping[str, str], body: bytes
) -> int:
    """Record the refetch hints of a WHMCS webhook; return the number of records it names.

    Raises:
        NotAuthenticated: forged, expired or unsigned.
        InvalidRequest: signed, but not understood.
        Conflict: `webhook_replayed`, the id was used for another body.
        Overloaded: too much at the moment; the sender tries again.
    """
    secrets = signed_webhook.secrets_of(settings.whmcs_webhook_secrets)
    heard = whmcs_webhook.decode(signed_webhook.verify(headers, body, secrets, now()), body)
    async with admission.admitted(len(body)):
        await _record(box, admission, heard.changes, body, again=heard.early)
    if not headers.get("webhook-id", "").startswith(OUR_OWN):
        await admission.note_delivery()
    return len(heard.changes)


def takes_salesforce(settings: Settings) -> bool:
    """Return whether this installation accepts webhooks of a Salesforce org."""
    return bool(signed_webhook.secrets_of(settings.salesforce_webhook_secrets))


async def receive_salesforce(
    box: Inbox, admission: InboxAdmission, settings: Settings, headers: Mapping[str, str], body: bytes
) -> int:
    """Record the refetch hints of a Salesforce org that pushes instead of streaming. Raises as `receive_whmcs` does."""
    secrets = signed_webhook.secrets_of(settings.salesforce_webhook_secrets)
    changes = salesforce_webhook.decode(signed_webhook.verify(headers, body, secrets, now()), body)
    async with admission.admitted(len(body)):
        await _record(box, admission, changes, body, again=False)
    return len(changes)


async def _record(
    box: Inbox, admission: InboxAdmission, changes: Sequence[Change], body: bytes, *, again: bool
) -> None:
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()

    async def work(connection: Connection, append: Append) -> Woken:
        woken: Woken = set()
        for change in changes:
            hint = change
            if change.kind == "hint":  # the data of a whole record is mirrored, that of a hint is not
                hint = msgspec.structs.replace(change, data={**change.data, "body": digest})
            _, pairs = await append(connection, [hint])
            if not pairs and await connection.fetchval(_OTHER_BODY, change.source, change.event_id, digest):
                raise Conflict("This webhook id was used for another body.", code="webhook_replayed")
            if pairs and again and change.kind == "hint":
                await _refetch_later(connection, append, hint)
            woken |= pairs
        return woken

    await box.wake(await inbox.storing(admission.inserting, work))


async def _refetch_later(connection: Connection, append: Append, hint: Change) -> None:
    later = msgspec.structs.replace(hint, event_id=f"{hint.event_id}:again")
    await append(connection, [later])
    await connection.execute(_LATER, later.source, later.event_id, LATER_SECONDS)
