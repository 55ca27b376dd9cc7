"""Eligibility: fields staff set on the Salesforce Account → one row and one ready answer an account.

Reads: salesforce Account. Writes: read_model.eligibility, document `eligibility`.
"""

import msgspec

from app.projections.projector import Document, Group, Projected, Projector
from app.readmodels.eligibility import DOCUMENT, TABLE, TEXTS, Eligibility, Internet
from app.settings import Settings

STATUSES = {
    "Not Requested": "not_requested",
    "Pending": "checking",
    "Checking": "checking",
    "Checked": "eligible",
    "Eligible": "eligible",
    "Not Available": "not_available",
}


def projector(settings: Settings) -> Projector:
    """Eligibility."""
    return Projector(
        name="eligibility",
        version=1,
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
    offering = record.data.get("Internet_Eligibility__c") or None
    stated = STATUSES.get(record.data.get("Internet_Eligibility_Status__c") or "")
    status = stated or ("eligible" if offering else "not_requested")
    internet = Internet(status, TEXTS[status], offering if status == "eligible" else None)
    body = msgspec.json.encode(Eligibility(internet))
    row = {
        "internet_status": status,
        "internet_offering": internet.offering,
        "as_of": record.verified_at,
        "document": body,
    }
    return Projected(rows=[row], documents=[Document(DOCUMENT, body)])
