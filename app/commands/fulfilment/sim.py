"""Activate a SIM at Freebit. Accepted is not done: the line is asked for until it is in service.

Freebit has no idempotency key. The journal says `sim_asked` before the activation is sent; after a doubt the line is
looked up by its number or, for an eSIM whose number Freebit assigns, by what the journal learned.
"""

from typing import Any

from app.commands.fulfilment import journal
from app.commands.fulfilment.outcomes import Line, NotYet, Pause, Work
from app.errors import OutcomeUnknown
from app.integrations.freebit.client import EsimActivation, Mnp

SIM_KINDS = {"DataOnly": "E2", "DataSmsVoice": "E0", "VoiceOnly": "E0"}
LONGEST_POLL_SECONDS = 600.0


async def activate_sim(work: Work) -> dict[str, Any]:
    """Nothing to do without a SIM plan in the order."""
    plans = work.of("sim")
    if not plans:
        return {}
    facts = work.fulfilment.facts
    if not facts.get("sim_accepted"):
        await _ask(work, plans[0])
    return await _wait_until_active(work)


async def _ask(work: Work, plan: Line) -> None:
    """Send the activation once."""
    data, facts, freebit = work.order, work.fulfilment.facts, work.ctx.freebit
    account = facts.get("sim_account") or data.get("MNP_Phone_Number__c") or data.get("MVNO_Account_Number__c")
    if facts.get("sim_asked"):
        if not account:
            raise Pause("SIM_ACTIVATION_UNCLEAR", "Freebit did not answer the activation. Look the EID up at Freebit.")
        if await freebit.detail(account):
            await journal.remember(work.connection, work.fulfilment, {"sim_accepted": True, "sim_account": account})
            return
    plan_code = str(plan.facts.get("sim_plan_code") or plan.sku)
    await journal.remember(work.connection, work.fulfilment, {"sim_asked": True})
    if data.get("SIM_Type__c") == "Physical SIM":
        if not account:
            await journal.remember(work.connection, work.fulfilment, {"sim_asked": False})
            raise Pause("SIM_NOT_ASSIGNED", "No physical SIM is assigned to this order yet.")
        await freebit.register_sim(account, plan_code)
    else:
        account = await _activate_esim(work, plan, plan_code) or account
    await journal.remember(work.connection, work.fulfilment, {"sim_accepted": True, "sim_account": account})


async def _activate_esim(work: Work, plan: Line, plan_code: str) -> str | None:
    data = work.order
    kind = SIM_KINDS.get(str(plan.facts.get("sim_plan_type")), "E2")
    request = EsimActivation(eid=data.get("EID__c") or "", plan_code=plan_code, sim_kind=kind, mnp=_mnp(data))
    try:
        return await work.ctx.freebit.activate_esim(request)
    except OutcomeUnknown:
        raise
    except Exception:
        await journal.remember(work.connection, work.fulfilment, {"sim_asked": False})  # answered: nothing was done
        raise


async def _wait_until_active(work: Work) -> dict[str, Any]:
    facts = work.fulfilment.facts
    account = facts.get("sim_account")
    if not account:
        raise Pause("SIM_NUMBER_UNKNOWN", "Freebit accepted the eSIM but has not told its number yet.")
    line = await work.ctx.freebit.detail(account)
    if line and line.active:
        return {"sim_active": True}
    looks = int(facts.get("sim_looks", 0))
    await journal.remember(work.connection, work.fulfilment, {"sim_looks": looks + 1})
    raise NotYet(min(work.ctx.settings.freebit_poll_seconds * 1.5**looks, LONGEST_POLL_SECONDS))


def _mnp(data: dict[str, Any]) -> Mnp | None:
    if not data.get("MNP_Application__c"):
        return None
    return Mnp(
        phone_number=data["MNP_Phone_Number__c"],
        reservation_number=data["MNP_Reservation_Number__c"],
        expires_on=data["MNP_Expiry_Date__c"],
        lastname=data["Porting_LastName__c"],
        firstname=data["Porting_FirstName__c"],
        lastname_kana=data["Porting_LastName_Katakana__c"],
        firstname_kana=data["Porting_FirstName_Katakana__c"],
        gender=data["Porting_Gender__c"],
        birthday=data["Porting_DateOfBirth__c"],
    )
