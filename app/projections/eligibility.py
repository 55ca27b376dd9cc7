"""Eligibility: fields that staff set on the Salesforce Account → one row and one document per account.

Reads: salesforce Account. Writes: read_model.eligibility, document `eligibility`.
"""

import msgspec

from app.projections.parts.fields import plain
from app.projections.parts.vocabulary import known
from app.projections.projector import Document, Group, Projected, Projector
from app.readmodels.ordering.eligibility import DOCUMENT, STATUSES, TABLE, TEXTS, Eligibility, Internet, status_from
from app.settings import Settings

STATUS = "Internet_Eligibility_Status__c"
ADDRESS = "Internet_Eligibility_Address__c"


def projector(settings: Settings) -> Projector:
    """Build the projector of eligibility."""
    return Projector(
        name="eligibility",
        version=4,
        source="salesforce",
        scope="owner",
        reads=("Account",),
        table=TABLE,
        project=_project,
        documents=True,
    )


def _project(group: Group) -> Projected:
    if not group.records:
        return Projected()
    record = group.records[0]
    offering = str(record.data.get("Internet_Eligibility__c") or "").strip() or None
    known(STATUSES, record, STATUS)  # counts unknown values
    status = status_from(record.data.get(STATUS), offering)
    address = plain(record.data.get(ADDRESS)).strip() or None
    internet = Internet(status, TEXTS[status], offering if status == "eligible" else None, address)
    body = msgspec.json.encode(Eligibility(internet))
    row = {
        "internet_status": status,
        "internet_offering": internet.offering,
        "as_of": record.verified_at,
        "document": body,
    }
    return Projected(rows=[row], documents=[Document(DOCUMENT, body)])
