"""The operations on lines: `OPERATIONS` maps the path under /emptool/api/ to its function."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.clock import TOKYO, Clock
from sandbox.freebit.checks import BUSY, UNKNOWN, Refusal, checked_account, checked_mnp, digits, required
from sandbox.freebit.state import ACTIVE, CANCELLED, Freebit, Line, Queued

Body = dict[str, Any]
Operation = Callable[[Freebit, Clock, Body], Body]
ON, OFF = "10", "20"
SIM_KINDS = ("E0", "E2", "E3")
LONGEST_PLAN_CODE = 32
VOICE = ("voiceMail", "callWaiting", "callTransfer", "worldWing")


def add_esim(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-41: add an eSIM as a new line, a number transfer or a reissue. Accepted now, completed later."""
    kind, operated = required(body, "addKind"), str(body.get("aladinOperated") or OFF)
    eid = required(body, "eid")
    if not digits(eid, 32):
        raise Refusal("400", "301", "eid must have 32 digits")
    if kind not in ("N", "M", "R"):
        raise Refusal("400", "302", "addKind must be N, M or R")
    if operated == ON and kind != "N":
        raise Refusal("400", "356", "Unsupported pattern of aladinOperated and addKind")
    if kind == "R":
        return _reissue(freebit, clock, body, eid)
    if body.get("simKind") not in SIM_KINDS:
        raise Refusal("400", "303", "simKind must be E0, E2 or E3")
    assigned = kind == "N" and operated == OFF and not body.get("account")
    account = freebit.new_account() if assigned else checked_account(body)
    if kind == "M":
        checked_mnp(body.get("mnp"), clock.today())
    if _in_use(freebit, eid, clock.now().timestamp()):
        raise Refusal("400", "320", "eid is in use by another line")
    _add(freebit, clock, Line(account, str(body.get("planCode") or ""), "esim", 0.0, eid=eid, sim_kind=body["simKind"]))
    return {"account": account} if assigned else {}


def _add(freebit: Freebit, clock: Clock, line: Line, *, at_once: bool = False) -> None:
    now = clock.now().timestamp()
    known = freebit.lines.get(line.account)
    if known is not None and known.state(now) != CANCELLED:
        raise Refusal("400", "321", "account is registered already")
    line.done_at = now if at_once else now + freebit.delay_seconds
    freebit.lines[line.account] = line


def _in_use(freebit: Freebit, eid: str, now: float) -> bool:
    return any(line.eid == eid and line.state(now) != CANCELLED for line in freebit.lines.values())


def _reissue(freebit: Freebit, clock: Clock, body: Body, eid: str) -> Body:
    line = _free(freebit, clock, checked_account(body))
    reissue, now = body.get("reissue"), clock.now().timestamp()
    if not isinstance(reissue, dict) or not line.eid or reissue.get("oldEid") != line.eid:
        raise Refusal("400", "322", "reissue.oldEid is not the line's")
    if _in_use(freebit, eid, now):
        raise Refusal("400", "320", "eid is in use by another line")
    line.eid, line.done_at = eid, now + freebit.delay_seconds
    return {}


def add_accounts(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA02-01: add physical SIMs. The vendor takes up to ten minutes."""
    if body.get("createType") not in ("new", "add"):
        raise Refusal("400", "302", "createType must be new or add")
    datas = body.get("requestDatas")
    if not isinstance(datas, list) or not datas:
        raise Refusal("400", "300", "requestDatas is required")
    lines = [Line(checked_account(data), required(data, "planCode"), "sim", 0.0) for data in datas]
    for line in lines:
        _add(freebit, clock, line)
    return {}


def cancel_account(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA02-04: cancel an account, at once without a runDate. A master account cannot be cancelled."""
    if body.get("kind") != "MVNO":
        raise Refusal("400", "304", "kind must be MVNO")
    line = _unlocked(freebit, clock, checked_account(body))
    if line.master:
        raise Refusal("400", "310", "a master account cannot be cancelled")
    earliest = clock.now().timestamp() + freebit.cancel_seconds
    line.cancel_at = max(_moment(clock, body.get("runDate"), "runDate", "305"), earliest)
    return {}


def change_plan(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-21: change the plan now or from a date on. Other operations on the account must wait until then."""
    line, plan = _free(freebit, clock, checked_account(body)), required(body, "planCode")
    if len(plan) > LONGEST_PLAN_CODE:
        raise Refusal("400", "311", f"planCode has {LONGEST_PLAN_CODE} characters at most")
    now = clock.now().timestamp()
    line.plan_code = line.plan(now)
    line.next_plan_code, line.next_plan_at = plan, _moment(clock, body.get("runTime"), "runTime", "312")
    line.locked_until = now + freebit.delay_seconds
    return {"account": line.account, "ipv4": ""}


def _moment(clock: Clock, value: object, name: str, code: str) -> float:
    """Return the start of a day in Japan. An omitted date means now."""
    text = str(value or "").replace("/", "").replace("-", "")
    if not text:
        return clock.now().timestamp()
    try:
        day = datetime.strptime(text, "%Y%m%d").replace(tzinfo=TOKYO)
    except ValueError as error:
        raise Refusal("400", code, f"{name} must be YYYYMMDD") from error
    return day.timestamp()


def queue_semiblack(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-18: queue a semi-black SIM for a number transfer."""
    account, mnp = checked_account(body), body.get("mnp")
    checked_mnp(mnp, clock.today())
    waiting = freebit.queued.get(account)
    if waiting is not None and waiting.state != "60":
        raise Refusal("400", "323", "account is queued already")
    number = str(body.get("productNumber") or "")
    freebit.queued[account] = Queued(account, str(body.get("planCode") or ""), number)
    return {}


def activate_semiblack(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-19: activate a queued SIM at once."""
    waiting = freebit.queued.get(checked_account(body))
    if waiting is None or waiting.state == "60":
        raise Refusal("404", "404", "no semi-black SIM is queued for this account")
    line = Line(waiting.account, waiting.plan_code, "sim", 0.0, product_number=waiting.product_number)
    _add(freebit, clock, line, at_once=True)
    del freebit.queued[waiting.account]
    return {}


def change_semiblack(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-20: change a queued SIM. State 60 takes it out of the queue."""
    waiting = freebit.queued.get(checked_account(body))
    if waiting is None:
        raise Refusal("404", "404", "no semi-black SIM is queued for this account")
    waiting.state = required(body, "state")
    return {}


def detail(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA03-02: return the details of a line. Exactly one entry is honoured."""
    datas = body.get("requestDatas")
    if not isinstance(datas, list) or len(datas) != 1:
        raise Refusal("400", "300", "requestDatas must have one entry")
    line, now = freebit.lines.get(checked_account(datas[0])), clock.now().timestamp()
    if line is None:
        raise Refusal(*UNKNOWN)
    voice = line.talk_option if now >= line.voice_done_at else {}
    row = {
        "kind": "MVNO",
        "account": line.account,
        "state": line.state(now),
        "eid": line.eid,
        "iccid": f"898130{line.account:0>13}",
        "productNumber": line.product_number,
        "planCode": line.plan(now),
        "contractLine": line.contract_line,
        "talkoption": {name: voice.get(name, OFF) for name in VOICE},
        "quota": "0",
    }
    return {"responseDatas": [row]}


def add_voice(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-05: set voice options. Options that are not named are switched off."""
    line = _free(freebit, clock, checked_account(body))
    if body.get("userConfirmed") != ON:
        raise Refusal("400", "306", "userConfirmed must be 10")
    given = body.get("talkOption") or {}
    if not isinstance(given, dict) or any(value not in (ON, OFF) for value in given.values()):
        raise Refusal("400", "307", "talkOption values must be 10 or 20")
    line.talk_option = {name: given.get(name, OFF) for name in VOICE}
    line.voice_done_at = clock.now().timestamp() + freebit.delay_seconds
    return {}


def change_line(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-38: switch between 4G and 5G. The account is locked meanwhile."""
    line, wanted = _unlocked(freebit, clock, checked_account(body)), body.get("contractLine")
    if wanted not in ("4G", "5G"):
        raise Refusal("400", "308", "contractLine must be 4G or 5G")
    line.contract_line, line.locked_until = str(wanted), clock.now().timestamp() + freebit.delay_seconds
    return {}


def traffic(freebit: Freebit, clock: Clock, body: Body) -> Body:
    """PA05-01: return the usage of one SIM, in kilobytes."""
    line = _line(freebit, clock, checked_account(body))
    if not line.plan(clock.now().timestamp()):
        raise Refusal("400", "309", "no plan is set")
    used = int(line.account[-5:])
    days = ",".join(str(used * step) for step in range(1, 5))
    return {"account": line.account, "traffic": {"today": str(used), "inRecentDays": days, "blackList": OFF}}


def _line(freebit: Freebit, clock: Clock, account: str) -> Line:
    """Return a line that was not cancelled, or refuse."""
    line = freebit.lines.get(account)
    if line is None or line.state(clock.now().timestamp()) == CANCELLED:
        raise Refusal(*UNKNOWN)
    return line


def _unlocked(freebit: Freebit, clock: Clock, account: str) -> Line:
    """Return a line on which no other change is running, or refuse."""
    line = _line(freebit, clock, account)
    if line.locked_until > clock.now().timestamp():
        raise Refusal(*BUSY)
    return line


def _free(freebit: Freebit, clock: Clock, account: str) -> Line:
    """Return a line that is in service and on which no other change is running, or refuse."""
    line = _unlocked(freebit, clock, account)
    if line.state(clock.now().timestamp()) != ACTIVE:
        raise Refusal(*BUSY)
    return line


OPERATIONS: dict[str, Operation] = {
    "master/addAcnt": add_accounts,
    "master/cnclAcnt": cancel_account,
    "mvno/esim/addAcnt": add_esim,
    "mvno/semiblack/addTempAcnt": queue_semiblack,
    "mvno/semiblack/addAcnt": activate_semiblack,
    "mvno/semiblack/changeState": change_semiblack,
    "mvno/changePlan": change_plan,
    "mvno/getDetail": detail,
    "mvno/getTrafficInfo": traffic,
    "mvno/talkoption/addOrder": add_voice,
    "mvno/contractline/change": change_line,
}
READS = frozenset({"mvno/getDetail", "mvno/getTrafficInfo"})
