"""Ending the line of an order that is not to be activated, where it is certainly this order's own.

    the line                                     then
    was never requested                          there is nothing to end
    has a number that nobody knows               staff: they assign a SIM of its number, or see that there is none
    has a transferred number                     staff: the customer would lose it
    was there before this order requested it     staff: it may be another's
    is being activated                           look again; after two hours staff
    is in service                                cancel it, then look until it is gone; after a day staff
    is gone                                      done, also when staff cancelled it

Freebit accepts a cancellation before it carries it out. What staff are to do is looked at every hour, so it ends by
itself once they have done it.

Reads and writes: Freebit line. Writes: portal.fulfilments, portal.fulfilment_steps.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.commands.fulfilment.lines.sim import DEADLINE_SECONDS
from app.commands.fulfilment.work import NOTHING_DONE, Pause, Wait, Work, stamp
from app.errors import UpstreamNotFound, UpstreamRejected
from app.intake.words import folded
from app.integrations.freebit.client import LineDetail
from app.integrations.salesforce.activation import assigned_sim
from app.integrations.salesforce.orders import ESIM
from app.readmodels.ordering.order_life import PauseCode

LINE_TO_CANCEL: PauseCode = "LINE_TO_CANCEL"
APPEARS_SECONDS = 900.0
"""Freebit registers a line within ten minutes; only after this time does its absence mean that there is none."""
SETTLE_SECONDS = 90.0
"""A cancellation without an answer may still be processed; only after this time is it sent again."""
CARRIED_OUT_SECONDS = 86_400.0
"""How long an accepted cancellation is waited for."""
HAND_SECONDS = 3_600.0
LOOK_SECONDS = 60.0
CANCELLED = "cancelled"
TOKYO = ZoneInfo("Asia/Tokyo")

_STEP = "INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) VALUES ($1, 'sim', 1, $2, $3)"


class LineEnded(Struct, frozen=True):
    """There is no line any more, or never was one; `what` is the line in words."""

    what: str = ""


async def end_line(work: Work) -> LineEnded | Wait | Pause:
    """Move the end of the order's line on, one look and at most one write. Safe to repeat.

    Raises:
        UpstreamError: repeat it; the next time looks first.
    """
    if not work.job.facts.get("sim_asked_at"):
        return LineEnded()
    number = await _number(work)
    if number is None:
        return _by_hand("nobody knows its number. Assign a SIM of that number to the order, or cancel it there.")
    line = await work.ctx.freebit.detail(number)
    if line is None or line.state == CANCELLED:
        return await _absent(work, number, line)
    if not work.job.facts.get("line_seen"):
        await work.remember(line_seen=True)
    if foreign := _foreign(work, line):
        return foreign
    if line.state == "activating":
        return _activating(work, number)
    return await _cancel(work, number)


async def _number(work: Work) -> str | None:
    if work.order.porting:
        return work.order.porting.phone_number
    return work.job.facts.get("sim_account") or await assigned_sim(work.ctx.salesforce, work.order.order_id)


async def _absent(work: Work, number: str, line: LineDetail | None) -> LineEnded | Wait | Pause:
    """Decide about a line that Freebit does not show, or shows as cancelled: it may be one that is yet to appear.

    A physical SIM's appears within minutes. Nobody says when an eSIM's does.
    """
    facts = work.job.facts
    if facts.get("line_seen") or facts.get("line_cancel_asked_at"):
        return await _ended(work, number)
    if (work.seconds_since("sim_asked_at") or 0.0) < APPEARS_SECONDS:
        return Wait(LOOK_SECONDS)
    if line is not None and line.eid == _eid(work):
        return await _ended(work, number)
    if "sim_accepted_at" in facts or _eid(work):
        return _by_hand(f"it does not show {_masked(number)}. See that there is none.")
    return LineEnded()


async def _ended(work: Work, number: str) -> LineEnded:
    await work.ctx.pool.execute(_STEP, work.order.order_id, "undone", {"line": _masked(number)})
    return LineEnded(f"line {_masked(number)}")


def _foreign(work: Work, line: LineDetail) -> Pause | None:
    """Return what staff do about a line that may be the customer's, or another's."""
    shown = _masked(line.account)
    if work.order.porting:
        return _by_hand(f"{shown} is the customer's own number, which ends with its line. Decide, and cancel it there.")
    if not work.job.facts.get("sim_requested"):
        return _by_hand(f"{shown} was there before this order requested it. See whose it is, and cancel it there.")
    if line.eid != _eid(work) or line.state == "unknown":
        return _by_hand(f"{shown} is not as this order requested it. See whose it is, and cancel it there.")
    return None


def _activating(work: Work, number: str) -> Wait | Pause:
    """Freebit carries out one operation at a time, so a line that is being activated is not cancelled yet."""
    if (work.seconds_since("sim_asked_at") or 0.0) > DEADLINE_SECONDS:
        return _by_hand(f"{_masked(number)} is not in service after two hours. Cancel it there.")
    return Wait(LOOK_SECONDS)


async def _cancel(work: Work, number: str) -> Wait | Pause:
    accepted, asked = work.seconds_since("line_cancel_accepted_at"), work.seconds_since("line_cancel_asked_at")
    if accepted is not None:
        if accepted > CARRIED_OUT_SECONDS:
            return _by_hand(f"it accepted the end of {_masked(number)} and keeps it in service. Cancel it there.")
        return Wait(LOOK_SECONDS)
    if asked is not None and asked < SETTLE_SECONDS:
        return Wait(SETTLE_SECONDS - asked)
    await work.remember(line_cancel_asked_at=stamp())
    await work.ctx.pool.execute(_STEP, work.order.order_id, "cancelling", {"line": _masked(number)})
    try:
        await work.ctx.freebit.cancel_line(number, datetime.now(TOKYO).date())
    except UpstreamNotFound:
        return Wait(LOOK_SECONDS)  # gone meanwhile; the next look shows it
    except NOTHING_DONE as error:
        await work.remember(line_cancel_asked_at=None)
        if isinstance(error, UpstreamRejected):
            return _by_hand(f"it refused to end {_masked(number)}: {error.reason[:80]}. Cancel it there.")
        raise
    await work.remember(line_cancel_accepted_at=stamp())
    return Wait(LOOK_SECONDS)


def _eid(work: Work) -> str:
    """Return the EID that the order's line must have; empty for a physical SIM."""
    return work.order.eid if folded(work.order.sim_type) == folded(ESIM) else ""


def _by_hand(why: str) -> Pause:
    sentence = f"Freebit was asked for this order's line: {why} The portal looks every hour."
    return Pause(LINE_TO_CANCEL, sentence, HAND_SECONDS, for_staff=True)


def _masked(number: str) -> str:
    return f"…{number[-4:]}"
