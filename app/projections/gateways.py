"""Payment gateways of the WHMCS installation → rows and one document.

Reads: whmcs gateway. Writes: read_model.gateways, document `payment-gateways`.
"""

import msgspec

from app.projections.parts.fields import plain
from app.projections.projector import Document, Group, Projected, Projector
from app.readmodels.gateways import DOCUMENT, TABLE, Gateway, Gateways
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Build the projector of payment gateways."""
    return Projector(
        name="gateways",
        version=1,
        source="whmcs",
        scope="global",
        reads=("gateway",),
        table=TABLE,
        project=_project,
        documents=True,
    )


def _project(group: Group) -> Projected:
    items = [
        Gateway(record.record_id, plain(record.data.get("displayname")) or record.record_id) for record in group.records
    ]
    rows = [
        {"gateway": item.gateway, "name": item.name, "as_of": record.verified_at}
        for item, record in zip(items, group.records, strict=True)
    ]
    return Projected(rows=rows, documents=[Document(DOCUMENT, msgspec.json.encode(Gateways(items)))])
