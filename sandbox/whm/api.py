"""WHM API 1 on the wire: one status for everything, reasons as sentences, regular-expression search by default."""

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import gate
from sandbox.whm.server import Account

VERSION = "134.0.9"


class Failed(Exception):
    """A function that did not succeed; the message is the reason."""


Function = Callable[[Any, Mapping[str, str]], dict[str, Any] | None]


def app(world: Any) -> Starlette:
    """The API over the world's server."""

    async def endpoint(request: Request) -> Response:
        name = request.path_params["function"]

        async def work() -> Response:
            return await _call(world, request, name)

        return await gate.answer(world, "whm", request, name, work)

    return Starlette(routes=[Route("/json-api/{function}", endpoint, methods=["GET", "POST"])])


async def _call(world: Any, request: Request, name: str) -> Response:
    if request.headers.get("authorization") != f"whm {world.whm.user}:{world.whm.token}":
        return Response("<html><body>Access denied</body></html>", 403, media_type="text/html")
    params = {**request.query_params, **{key: str(value) for key, value in (await request.form()).items()}}
    function = FUNCTIONS.get(name)
    try:
        if function is None:
            raise Failed("Function not found")
        data, result, reason = function(world, params), 1, "OK"
    except Failed as failure:
        data, result, reason = None, 0, f"API failure: (XID {secrets.token_hex(3)}) {failure}"
    if params.get("api.version") != "1":
        return JSONResponse({"result": [{"status": result, "statusmsg": reason}]})
    metadata: dict[str, Any] = {"command": name, "result": result, "reason": reason, "version": 1}
    if name == "createacct" and result and params.get("showpass") != "n":
        metadata["output"] = {"raw": f"Password: {secrets.token_hex(6)}"}
    return JSONResponse({"metadata": metadata} | ({"data": data} if data is not None else {}))


def _create(world: Any, params: Mapping[str, str]) -> dict[str, Any]:
    accounts, user = world.whm.accounts, params.get("username", "").lower()
    if not re.fullmatch(r"[a-z][a-z0-9]{0,15}", user) or user.startswith("test"):
        raise Failed(f"“{user}” is an invalid username.")
    if any(other[:8] == user[:8] for other in accounts):
        raise Failed(f"Sorry, a group for that username already exists: {user}.")
    domain = params.get("domain", "")
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
        raise Failed("Sorry, that’s an invalid domain.")
    if any(other.domain == domain for other in accounts.values()):
        raise Failed(f"The domain “{domain}” already exists in the userdata.")
    plan = params.get("plan", "default")
    if plan not in world.whm.packages:
        raise Failed(f"The package “{plan}” does not exist.")
    created = int(world.clock.now().timestamp())
    accounts[user] = Account(user, domain, plan, params.get("contactemail", ""), world.whm.user, created)
    return {"ip": "192.0.2.10", "nameserver": "ns1.example.jp", "nameserver2": "ns2.example.jp", "package": plan}


def _list(world: Any, params: Mapping[str, str]) -> dict[str, Any]:
    field, search = params.get("searchtype", "user"), params.get("search", "")
    field = {"package": "plan"}.get(field, field)
    exact = params.get("searchmethod") == "exact"
    shown = [_shown(account) for account in world.whm.accounts.values()]
    return {
        "acct": [
            row
            for row in shown
            if not search or (row.get(field) == search if exact else re.search(search, str(row.get(field))))
        ]
    }


def _shown(account: Account) -> dict[str, Any]:
    return {
        "user": account.user,
        "domain": account.domain,
        "email": account.email or "*unknown*",
        "owner": account.owner,
        "plan": account.plan,
        "unix_startdate": account.created_at,
        "suspended": int(account.suspended),
        "suspendreason": account.suspend_reason,
        "suspendtime": None,
        "disklimit": "unlimited",
        "diskused": "14M",
        "maxaddons": "unlimited",
    }


def _account(world: Any, params: Mapping[str, str]) -> Account:
    user = params.get("user") or params.get("username") or ""
    account: Account | None = world.whm.accounts.get(user)
    if account is None:
        raise Failed(f"You do not have a user named “{user}”.")
    return account


def _summary(world: Any, params: Mapping[str, str]) -> dict[str, Any]:
    return {"acct": [_shown(_account(world, params))]}


def _suspend(world: Any, params: Mapping[str, str]) -> None:
    account = _account(world, params)
    account.suspended, account.suspend_reason = True, params.get("reason", "Unknown")


def _unsuspend(world: Any, params: Mapping[str, str]) -> None:
    account = _account(world, params)
    account.suspended, account.suspend_reason = False, "not suspended"


def _remove(world: Any, params: Mapping[str, str]) -> None:
    del world.whm.accounts[_account(world, params).user]


def _change_package(world: Any, params: Mapping[str, str]) -> dict[str, Any]:
    account = _account(world, params)
    if params.get("pkg") not in world.whm.packages:
        raise Failed(f"The package “{params.get('pkg')}” does not exist.")
    account.plan = params["pkg"]
    return {}


def _session(world: Any, params: Mapping[str, str]) -> dict[str, Any]:
    user, token = _account(world, params).user, f"/cpsess{secrets.randbelow(10**10):010}"
    session = f"{user}:{secrets.token_hex(8)}"
    url = f"https://localhost:2083{token}/login/?session={session}"
    return {"url": url, "session": session, "cp_security_token": token, "service": params.get("service", "cpaneld")}


FUNCTIONS: dict[str, Function] = {
    "createacct": _create,
    "listaccts": _list,
    "accountsummary": _summary,
    "suspendacct": _suspend,
    "unsuspendacct": _unsuspend,
    "removeacct": _remove,
    "changepackage": _change_package,
    "create_user_session": _session,
    "passwd": lambda world, params: {"app": [_account(world, params).user]},
    "listpkgs": lambda world, params: {"pkg": [{"name": name, "QUOTA": "unlimited"} for name in world.whm.packages]},
    "version": lambda world, params: {"version": VERSION},
    "myprivs": lambda world, params: {"privileges": [{"create-acct": "1", "list-accts": "1", "suspend-acct": "1"}]},
}
