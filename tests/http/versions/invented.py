"""Two invented versions, one of each kind of change between them, registered nowhere but in tests."""

from datetime import date, datetime
from typing import Any

from app.http.policies.ending import AnnouncedEnd
from app.http.versions.contract import Contract
from app.http.versions.moves import answered, field_renamed, parameter_renamed, renamed, replaced
from app.http.versions.version import ContractChange, ContractVersion

FORMER, NEWEST = "2026-11-30", "2027-06-01"
SUNSET = date(2028, 1, 1)
ENDING = AnnouncedEnd(deprecated_on=date(2027, 6, 1), sunset_on=SUNSET, see="/docs/versions#2027-06-01")


def as_bill(name: str, data: Any) -> tuple[str, Any] | None:
    """The former version knows bills by number, and no subscriptions."""
    if name == "subscription.changed":
        return None
    return ("bill.changed", {"number": data["id"]}) if name == "invoice.changed" else (name, data)


CHANGES = (
    ContractChange(
        operations=("listInvoices",),
        says="`number` was called `bill_number`, and the parameter `status` was called `state`.",
        answer=renamed("items.*", "number", "bill_number"),
        request=parameter_renamed("state", "status"),
    ),
    ContractChange(
        operations=("listInvoices", "getInvoice"),
        says="The status `collections` is gone; it is `unpaid` or `overdue`.",
        answer=replaced("items.*", "status", {"unpaid": "collections", "overdue": "collections"}),
    ),
    ContractChange(
        operations=("getInvoice",),
        says="It was answered.",
        answer=replaced("", "status", {"unpaid": "collections", "overdue": "collections"}),
    ),
    ContractChange(
        operations=("getProfile",), says="`phone` was called `telephone`.", answer=renamed("", "phone", "telephone")
    ),
    ContractChange(operations=("getPublicCatalog",), says="It was 203.", answer=answered(200, 203)),
    ContractChange(operations=("getOrder",), says="No order was 422.", problem=answered(404, 422)),
    ContractChange(
        operations=("logIn",),
        says="`email` was called `user`, and `csrf_token` was called `csrf`.",
        request=field_renamed("user", "email"),
        answer=renamed("", "csrf_token", "csrf"),
    ),
    ContractChange(operations=("streamEvents",), says="Invoices were bills.", event=as_bill),
)
VERSIONS = (
    ContractVersion(day=date(2026, 11, 30), changes=CHANGES, ending=ENDING),
    ContractVersion(day=date(2027, 6, 1)),
)


class Clock:
    """A clock that tests set."""

    def __init__(self, now: datetime) -> None:
        self.now = now.timestamp()

    def __call__(self) -> float:
        return self.now


def contract(clock: Clock | None = None) -> Contract:
    """Return the invented contract, at a time when both versions are served."""
    return Contract(VERSIONS, (), clock or Clock(datetime.fromisoformat("2027-07-01T00:00:00+00:00")))
