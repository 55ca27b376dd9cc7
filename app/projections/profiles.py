"""Profile and billing address: the WHMCS client → one row and one document per account.

Reads: whmcs client. Writes: read_model.profiles, document `profile`.
"""

import msgspec

from app.projections.parts.fields import plain
from app.projections.projector import Document, Group, Projected, Projector
from app.readmodels.profiles import DOCUMENT, TABLE, profile_of
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Build the projector of profiles."""
    return Projector(
        name="profiles",
        version=3,
        source="whmcs",
        scope="owner",
        reads=("client",),
        table=TABLE,
        project=_project,
        documents=True,
    )


def _project(group: Group) -> Projected:
    if not group.records:
        return Projected()
    record = group.records[0]
    data = record.data
    profile = profile_of(data)
    body = msgspec.json.encode(profile)
    row = {
        "whmcs_client_id": record.record_id,
        "email": profile.email,
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "country": profile.address.country,
        "currency": profile.currency,
        "status": plain(data.get("status")),
        "billing_contact_id": plain(data.get("billingcid")) or None,
        "tax_exempt": exempt if isinstance(exempt := data.get("taxexempt"), bool) else None,
        "language": profile.language,
        "as_of": record.verified_at,
        "document": body,
    }
    return Projected(rows=[row], documents=[Document(DOCUMENT, body)])
