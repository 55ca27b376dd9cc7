"""What to do for one service, given what billing wants and what the provider has. Pure.

    billing wants   the provider has                 then
    nothing known   anything                         nothing
    anything        an account of another domain     staff
    active          active                           done, or change the package
                    suspended by the portal          unsuspend
                    suspended by others              staff
                    nothing                          staff
    suspended       active                           suspend
                    suspended by anyone              done
                    nothing                          staff
    removed         active                           suspend; staff if it was switched on again since
                    suspended by the portal          wait for the grace to end, then remove
                    suspended by others              staff
                    nothing                          done

A line cannot be suspended, so what would suspend it is for staff, and an ended one keeps running until its grace ends.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from app.commands.providers.journal import Step
from app.readmodels.provider_accounts import ProviderState

Presence = Literal["absent", "stranger", "unknown", "pending", "active", "suspended"]


class Wanted(Struct, frozen=True, kw_only=True):
    """What billing wants, read live; a `state` of None asks for nothing. `package` is the plan's name or code."""

    state: ProviderState | None
    product_id: str = ""
    package: str = ""
    reason: str = ""
    remove_at: datetime | None = None


class Found(Struct, frozen=True, kw_only=True):
    """What the provider has, read live. `stranger`: under this name is something else; `pending`: it is at work."""

    presence: Presence
    own_suspension: bool = False
    package: str = ""


class Known(Struct, frozen=True, kw_only=True):
    """What the journal knows: the product that was carried out, and whether this ending switched the account off."""

    product_id: str | None = None
    switched_off: bool = False
    sent: Step | None = None


class Write(Struct, frozen=True):
    """Make this write, then look again."""

    step: Step


class Confirmed(Struct, frozen=True):
    """Both sides agree. The provider has this state, and the plan if `plan` is true."""

    actual: ProviderState
    plan: bool = True


class Until(Struct, frozen=True):
    """Nothing is to be done before this instant. The provider has `actual` until then."""

    at: datetime
    actual: ProviderState


class Poll(Struct, frozen=True):
    """The provider is at work; look again soon."""


class Staff(Struct, frozen=True):
    """Only a person can go on. `actual` is what the provider has, if that is clear."""

    code: str
    actual: ProviderState | None = None


class Nothing(Struct, frozen=True):
    """Billing asks for nothing that is known, so nothing is done."""


Verdict = Write | Confirmed | Until | Poll | Staff | Nothing


def for_hosting(wanted: Wanted, found: Found, known: Known, now: datetime) -> Verdict:
    """Decide for a hosting account."""
    if wanted.state is None:
        return Nothing()
    if found.presence in ("stranger", "unknown"):
        return Staff("ACCOUNT_OF_ANOTHER_DOMAIN" if found.presence == "stranger" else "ACCOUNT_UNREADABLE")
    if found.presence == "absent":
        return Confirmed("removed") if wanted.state == "removed" else Staff("ACCOUNT_MISSING", "removed")
    if wanted.state == "active":
        return _switched_on(wanted, found, known)
    if wanted.state == "suspended":
        return Confirmed("suspended", plan=False) if found.presence == "suspended" else Write("suspend")
    return _ended(wanted, found, known, now)


def _switched_on(wanted: Wanted, found: Found, known: Known) -> Verdict:
    if found.presence == "suspended":
        return Write("unsuspend") if found.own_suspension else Staff("SUSPENDED_BY_OTHERS", "suspended")
    if wanted.product_id != known.product_id and found.package != wanted.package:
        return Write("change_package")
    return Confirmed("active")


def _ended(wanted: Wanted, found: Found, known: Known, now: datetime) -> Verdict:
    if found.presence == "active":
        return Staff("SWITCHED_ON_AGAIN", "active") if known.switched_off else Write("suspend")
    if not found.own_suspension:
        return Staff("SUSPENDED_BY_OTHERS", "suspended")
    if wanted.remove_at is None or wanted.remove_at > now:
        return Until(wanted.remove_at, "suspended") if wanted.remove_at else Staff("REMOVAL_BY_HAND", "suspended")
    return Write("remove")


def for_line(wanted: Wanted, found: Found, known: Known, now: datetime) -> Verdict:
    """Decide for a line. A plan that cannot be named is an empty package, which is for staff if it must change."""
    if wanted.state is None:
        return Nothing()
    if found.presence == "unknown":
        return Staff("LINE_UNREADABLE")
    if found.presence == "absent":
        return Confirmed("removed") if wanted.state == "removed" else Staff("LINE_MISSING", "removed")
    if found.presence == "pending":
        return Poll()
    if wanted.state == "suspended":
        return Staff("LINE_CANNOT_BE_SUSPENDED", "active")
    if wanted.state == "active":
        return _in_use(wanted, found, known)
    if wanted.remove_at is None:
        return Staff("REMOVAL_BY_HAND", "active")
    if wanted.remove_at > now:
        return Until(wanted.remove_at, "active")
    return Poll() if known.sent == "cancel" else Write("cancel")


def _in_use(wanted: Wanted, found: Found, known: Known) -> Verdict:
    if known.sent == "cancel":
        return Staff("LINE_IS_BEING_ENDED", "active")
    if wanted.product_id == known.product_id or found.package == wanted.package != "":
        return Confirmed("active")
    if not wanted.package:
        return Staff("PLAN_UNKNOWN", "active")
    return Poll() if known.sent == "change_plan" else Write("change_plan")
