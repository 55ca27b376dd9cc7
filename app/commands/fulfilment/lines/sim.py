"""The fulfilment step in Freebit: request a SIM line once, then poll it until it is in service."""

from app.commands.fulfilment.obstacles import GENDERS, SIM_KINDS, obstacle
from app.commands.fulfilment.work import NOTHING_DONE, Fail, Next, Outcome, Pause, Wait, Work, stamp
from app.intake.words import folded
from app.integrations.freebit.client import EsimActivation, Mnp
from app.integrations.salesforce.activation import FulfilmentLine, assigned_sim
from app.integrations.salesforce.orders import ESIM, Porting
from app.integrations.whmcs import services as whmcs_services

DATA_ONLY = "dataonly"
SETTLE_SECONDS = 60.0
"""A request without an answer may still be processed; only after this time does its absence count as a failure."""
SLOWEST_POLL = 10
POLL_SHARE = 0.15
"""Pause as a share of the time waited so far: an activation is noticed at most a seventh of its duration late."""
DEADLINE_SECONDS = 7_200.0


NAMELESS = Fail(
    "SIM_NUMBER_UNKNOWN",
    "Freebit accepted the eSIM without naming its number. Find it in its completion file, assign a SIM with that "
    "number to this order, then continue the order.",
)


async def sim(work: Work) -> Outcome:
    """Request the line unless it was requested earlier, then poll it, because accepted is not in service."""
    plan = work.plan("SIM")
    if plan is None:
        return Next()
    if "sim_accepted_at" not in work.job.facts:
        return await _request_line(work, plan)
    return await _poll(work, plan)


async def _request_line(work: Work, plan: FulfilmentLine) -> Outcome:
    order = work.order
    if stop := obstacle(order):
        return stop
    is_esim = folded(order.sim_type) == folded(ESIM)
    if not plan.sim_plan_code:
        return Fail("SIM_PLAN_CODE_MISSING", f"The product {plan.sku} has no SIM_Plan_Code__c.")
    number = await _number(work, is_esim=is_esim)
    if number is None and not is_esim:
        return Pause("SIM_NOT_ASSIGNED", "Assign a SIM of the inventory to this order; activation then goes on.")
    line = await work.ctx.freebit.detail(number) if number else None
    if number and line and line.state != "cancelled" and line.eid in ("", order.eid):
        return await _accepted(work, number)
    if by_hand := _by_hand(work, number, is_esim=is_esim) or _unanswered(work, number):
        return by_hand
    requested = work.job.facts.get("sim_requested")
    await work.remember(sim_asked_at=stamp(), sim_requested=True)
    try:
        given = await _send(work, plan, number)
    except NOTHING_DONE:
        await work.remember(sim_asked_at=None, sim_requested=requested)
        raise
    if given is None:
        await work.remember(sim_nameless=True)
        return NAMELESS
    return await _accepted(work, given)


async def _number(work: Work, *, is_esim: bool) -> str | None:
    """Return the number of the line: the transferred one, or that of the SIM which staff assigned. A new eSIM has none
    until Freebit gives it one; if Freebit did not say which, staff assign it like a SIM."""
    if work.order.porting:
        return work.order.porting.phone_number
    asked = work.job.facts.get("sim_asked_at") or work.job.facts.get("sim_asked_before")
    if is_esim and not asked:
        return None
    return await assigned_sim(work.ctx.salesforce, work.order.order_id)


def _by_hand(work: Work, number: str | None, *, is_esim: bool) -> Fail | None:
    """Return what staff do in Freebit before the order can go on, where its line does not exist yet."""
    if not is_esim and work.order.porting:
        sentence = "A number transfer onto a physical SIM is done by hand in Freebit. Continue the order once it is."
        return Fail("SIM_TRANSFER_BY_HAND", sentence)
    if is_esim and number and not work.order.porting:
        sentence = f"Freebit has no line {number} with this order's EID. Correct the assigned SIM, or take it away if"
        return Fail("SIM_NUMBER_UNKNOWN", f"{sentence} there is no line. Then continue the order.")
    return None


def _unanswered(work: Work, number: str | None) -> Outcome | None:
    """Decide about an earlier request without an answer whose line does not show. Without a number it cannot be
    found."""
    asked = work.seconds_since("sim_asked_at")
    if asked is None:
        return None
    if number is None and work.job.facts.get("sim_nameless"):
        return NAMELESS
    if number is None:
        eid = work.order.eid[-4:]
        return Fail(
            "SIM_OUTCOME_UNKNOWN",
            f"The eSIM request (EID …{eid}) was not answered. Look in Freebit: if there is a line, assign a SIM with "
            "its number to this order. Then continue the order.",
        )
    return Wait(SETTLE_SECONDS - asked) if asked < SETTLE_SECONDS else None


async def _send(work: Work, plan: FulfilmentLine, number: str | None) -> str | None:
    freebit, order = work.ctx.freebit, work.order
    if folded(order.sim_type) == folded(ESIM):
        kind = SIM_KINDS[folded(plan.sim_plan_type)]
        mnp = _mnp(order.porting) if order.porting else None
        return await freebit.activate_esim(
            EsimActivation(eid=order.eid, plan_code=plan.sim_plan_code, sim_kind=kind, account=number, mnp=mnp)
        )
    assert number is not None, "a physical SIM has its number"
    await freebit.register_sim(number, plan.sim_plan_code)
    return number


async def _accepted(work: Work, number: str) -> Outcome:
    asked_at = work.job.facts.get("sim_asked_at") or stamp()  # from here on there is a line to end
    await work.remember(sim_account=number, sim_accepted_at=stamp(), sim_asked_at=asked_at)
    return Wait(work.ctx.settings.freebit_poll_seconds)


async def _poll(work: Work, plan: FulfilmentLine) -> Outcome:
    freebit, order, facts = work.ctx.freebit, work.order, work.job.facts
    line = await freebit.detail(facts["sim_account"])
    if line is not None and line.active:
        if folded(plan.sim_plan_type) != DATA_ONLY and (order.voice_mail or order.call_waiting):
            # Every option is sent each time, so that a repetition changes nothing.
            await freebit.register_voice_options(
                line.account, voice_mail=order.voice_mail, call_waiting=order.call_waiting
            )
        await _name_line(work, plan, line.account)
        return Next()
    waited = work.seconds_since("sim_accepted_at") or 0.0
    if waited > max(DEADLINE_SECONDS, 20 * work.ctx.settings.freebit_poll_seconds):
        return Fail("SIM_ACTIVATION_SLOW", f"Freebit has not activated {facts['sim_account'][-4:]:0>4} for two hours.")
    return Wait(_poll_seconds(waited, work.ctx.settings.freebit_poll_seconds))


async def _name_line(work: Work, plan: FulfilmentLine, number: str) -> None:
    """Store the SIM's number in WHMCS, where other services have their domain, so that bills show it."""
    services = dict(zip((line.item_id for line in work.order.lines), work.job.facts["service_ids"], strict=False))
    if service_id := services.get(plan.item_id):
        await whmcs_services.set_domain(work.ctx.whmcs, service_id, number)


def _poll_seconds(waited: float, shortest: float) -> float:
    return min(max(waited * POLL_SHARE, shortest), shortest * SLOWEST_POLL)


def _mnp(porting: Porting) -> Mnp:
    return Mnp(
        phone_number=porting.phone_number,
        reservation_number=porting.reservation_number,
        expires_on=porting.expires_on,
        lastname=porting.last_name,
        firstname=porting.first_name,
        lastname_kana=porting.last_name_kana,
        firstname_kana=porting.first_name_kana,
        gender=GENDERS[folded(porting.gender)],
        birthday=porting.birthday,
    )
