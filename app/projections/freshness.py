"""Freshness: the markers of whole-list reads → when each WHMCS list of an account was last verified.

Reads: whmcs client, client_invoices, client_services, pay_methods. Writes: read_model.freshness.
"""

from app.projections.projector import Group, Projected, Projector
from app.readmodels.freshness import TABLE
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Build the projector of the freshness of an account's WHMCS lists."""
    return Projector(
        name="freshness",
        version=1,
        source="whmcs",
        scope="owner",
        reads=("client", "client_invoices", "client_services", "pay_methods"),
        table=TABLE,
        project=_project,
    )


def _project(group: Group) -> Projected:
    return Projected(rows=[{"resource": r.object, "verified_at": r.verified_at} for r in group.records])
