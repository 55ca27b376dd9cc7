"""Hosting accounts that the portal provisioned → one row each.

An account that WHM does not have is a row too: a service without its account is what operators look for.

Reads: whm account. Writes: read_model.provider_accounts.
"""

from typing import Any

from app.events import Record
from app.intake import parse
from app.projections.parts.fields import plain
from app.projections.projector import Group, Projected, Projector
from app.readmodels.provider_accounts import TABLE
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Build the projector of hosting accounts."""
    return Projector(
        name="provider_accounts",
        version=1,
        source="whm",
        scope="record",
        root="account",
        reads=("account",),
        table=TABLE,
        project=_project,
    )


def _project(group: Group) -> Projected:
    return Projected(rows=[_row(record) for record in group.records])


def _row(record: Record) -> dict[str, Any]:
    data = record.data
    return {
        "account_name": record.record_id,
        "present": plain(data.get("absent")) != "1",
        "domain": plain(data.get("domain")),
        "package": plain(data.get("plan")),
        "suspended": {"0": False, "1": True}.get(plain(data.get("suspended"))),
        "suspended_by": plain(data.get("suspended_by")),
        "suspend_reason": plain(data.get("suspendreason")),
        "disk_limit_megabytes": parse.whole_number(data.get("disklimit_megabytes")),
        "as_of": record.verified_at,
    }
