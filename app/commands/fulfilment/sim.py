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
    if order.porting and not is_esim:
        return Fail("SIM_TRANSFER_BY_HAND", "A number transfer onto a physical SIM is done by hand in Freebit.")
    if not plan.sim_plan_code:
        return Fail("SIM_PLAN_CODE_MISSING", f"The product {plan.sku} has no SIM_Plan_Code__c.")
    number = order.porting.phone_number if order.porting else None
    if not is_esim:
        number = await assigned_sim(work.ctx.salesforce, order.order_id)
        if number is None:
            return Pause("SIM_NOT_ASSIGNED", "Assign a SIM of the inventory to this order; activation then goes on.")
    if number and (line := await work.ctx.freebit.detail(number)) and line.eid in ("", order.eid):
        return await _accepted(work, number)
    if (unanswered := _unanswered(work, number)) is not None:
        return unanswered
    await work.remember(sim_asked_at=stamp())
    try:
        given = await _send(work, plan, number)
    except NOTHING_DONE:
        await work.remember(sim_asked_at=None)
        raise
    if given is None:
        return Fail(
            "SIM_NUMBER_UNKNOWN", "Freebit accepted the eSIM without naming its number; see its completion file."
        )
    return await _accepted(work, given)


def _unanswered(work: Work, number: str | None) -> Outcome | None:
    """Decide about an earlier request without an answer whose line does not show. Without a number it cannot be
    found."""
    asked = work.seconds_since("sim_asked_at")
    if asked is None:
        return None
    if number is None:
        eid = work.order.eid[-4:]
        return Fail("SIM_OUTCOME_UNKNOWN", f"The eSIM request (EID …{eid}) was not answered. Look in Freebit first.")
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
    await work.remember(sim_account=number, sim_accepted_at=stamp())
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
