"""Freebit's API on the wire: a form with one field `json`, trailing slashes, answers before the work is done."""

import json
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import gate
from sandbox.freebit.network import Freebit

AUTH_KEY_LIFETIME = timedelta(minutes=60)
KATAKANA = re.compile(r"[゠-ヿ\s]+")


class Refused(Exception):
    """A result other than 100."""

    def __init__(self, result: str, status: str, message: str) -> None:
        super().__init__(message)
        self.result, self.status, self.message = result, status, message


Handler = Callable[[Any, dict[str, Any]], dict[str, Any]]


def app(world: Any) -> Starlette:
    """The API over the world's Freebit."""

    def route(path: str, handle: Handler, *, open_to_all: bool = False) -> Route:
        async def endpoint(request: Request) -> Response:
            async def work() -> Response:
                try:
                    body = await _request(request)
                    if not open_to_all:
                        _require_key(world, body)
                    return JSONResponse(_envelope(path, "100", "200", "OK", handle(world, body)))
                except Refused as refusal:
                    return JSONResponse(_envelope(path, refusal.result, refusal.status, refusal.message, {}))

            return await gate.answer(world, "freebit", request, path, work)

        return Route(f"/emptool/api/{path}", endpoint, methods=["POST"])

    return Starlette(
        routes=[
            route("authOem/", _authenticate, open_to_all=True),
            route("mvno/esim/addAcnt/", _add_esim),
            route("master/addAcnt/", _add_sim),
            route("master/cnclAcnt/", _cancel),
            route("mvno/semiblack/addTempAcnt/", _add_sim),
            route("mvno/semiblack/addAcnt/", _add_sim),
            route("mvno/getDetail/", _detail),
            route("mvno/getTrafficInfo/", _traffic),
            route("mvno/talkoption/addOrder/", _voice_options),
        ]
    )


async def _request(request: Request) -> dict[str, Any]:
    form = await request.form()
    try:
        body = json.loads(str(form["json"]))
    except (KeyError, ValueError) as error:
        raise Refused("400", "300", "The field json is missing or not JSON.") from error
    if not isinstance(body, dict):
        raise Refused("400", "300", "The field json must hold an object.")
    return body


def _envelope(path: str, result: str, status: str, message: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The result code is a number on some paths and a string on others, as clients have seen it."""
    code: object = int(result) if len(path) % 2 else result
    return {"resultCode": code, "status": {"message": message, "statusCode": status}, **payload}


def _require_key(world: Any, body: dict[str, Any]) -> None:
    until = world.freebit.auth_keys.get(body.get("authKey"))
    if until is None or until < world.clock.now():
        raise Refused("401", "201", "The authKey is not valid.")


def _authenticate(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    freebit: Freebit = world.freebit
    if (body.get("oemId"), body.get("oemKey")) != (freebit.oem_id, freebit.oem_key):
        raise Refused("401", "200", "The OEM is not known.")
    key = secrets.token_hex(16)
    freebit.auth_keys[key] = world.clock.now() + AUTH_KEY_LIFETIME
    return {"authKey": key}


def _add_esim(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    freebit: Freebit = world.freebit
    kind, operated, eid = body.get("addKind"), body.get("aladinOperated", "20"), body.get("eid", "")
    if not re.fullmatch(r"\d{32}", str(eid)):
        raise Refused("400", "301", "The EID must have 32 digits.")
    if operated == "10" and kind != "N":
        raise Refused("400", "356", "Unsupported pattern.")
    if any(line.eid == eid for line in freebit.lines.values()) and kind != "R":
        raise Refused("400", "357", "The EID is in use.")
    if kind == "M":
        _check_transfer(body.get("mnp") or {})
    account = body.get("account") or freebit.assigned_number()
    freebit.add(account, body.get("planCode", ""), eid, world.clock.now(), ported_in=kind == "M")
    return {"account": account}


def _check_transfer(mnp: dict[str, Any]) -> None:
    if not re.fullmatch(r"\d{10}", str(mnp.get("reserveNumber", ""))):
        raise Refused("400", "310", "The reservation number must have 10 digits.")
    names = (mnp.get("lastnameZenKana", ""), mnp.get("firstnameZenKana", ""))
    if not all(KATAKANA.fullmatch(name) for name in names):
        raise Refused("400", "311", "The names must be full-width katakana.")


def _add_sim(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    requests = body.get("requestDatas") or [body]
    for each in requests:
        account = str(each.get("account", ""))
        if not re.fullmatch(r"\d{11,14}", account):
            raise Refused("400", "302", "The account must have 11 to 14 digits.")
        if account in world.freebit.lines:
            raise Refused("400", "303", "The account exists.")
        world.freebit.add(account, each.get("planCode", ""), "", world.clock.now())
    return {}


def _line(world: Any, account: object) -> Any:
    line = world.freebit.lines.get(str(account))
    if line is None:
        raise Refused("404", "400", "There is no such account.")
    return line


def _cancel(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    line = _line(world, body.get("account"))
    del world.freebit.lines[line.account]
    return {}


def _detail(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    line = _line(world, (body.get("requestDatas") or [{}])[0].get("account"))
    active = world.clock.now() >= line.active_at
    shown = {
        "kind": "MVNO",
        "account": line.account,
        "state": "active" if active else "activating",
        "planCode": line.plan_code,
        "eid": line.eid,
        "voiceMail": "10" if line.voice_mail else "20",
        "callWaiting": "10" if line.call_waiting else "20",
    }
    return {"responseDatas": [shown]}


def _traffic(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    line = _line(world, body.get("account"))
    return {"account": line.account, "traffic": {"today": "10240", "inRecentDays": "1,2,3", "blackList": "20"}}


def _voice_options(world: Any, body: dict[str, Any]) -> dict[str, Any]:
    line = _line(world, body.get("account"))
    if body.get("userConfirmed") != "10":
        raise Refused("400", "320", "userConfirmed must be 10.")
    options = body.get("talkOption") or {}
    line.voice_mail = options.get("voiceMail") == "10"
    line.call_waiting = options.get("callWaiting") == "10"
    return {}
