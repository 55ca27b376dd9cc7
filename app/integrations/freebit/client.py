"""The Freebit MVNO API: SIM registration and eSIM activation.

Every call is a form with one field `json`. Calls answer before the work is done: accepted is not done, `detail` tells
when it is. There is no idempotency key, so whoever repeats must read `detail` first.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.integrations.tls import trusted
from app.settings import Settings

FREEBIT = "freebit"
USER_AGENT = "customer-portal/0.1"
PATHS = {
    "auth": "authOem/",
    "esim": "mvno/esim/addAcnt/",
    "sim": "master/addAcnt/",
    "voice": "mvno/talkoption/addOrder/",
    "detail": "mvno/getDetail/",
}
"""Unverified in part; the only place that spells them. The trailing slash matters."""
AUTH_CODES = frozenset({"401", "403"})
BUSY_CODES = frozenset({"409", "423"})
ABSENT_CODES = frozenset({"404"})
AUTH_KEY_LIFETIME = timedelta(minutes=50)
ON, OFF = "10", "20"
ACTIVE_STATES = frozenset({"active", "in_service", "10"})


class Mnp(Struct, frozen=True, kw_only=True):
    """A number that comes along. Names must equal those at the carrier it leaves; kana are full-width."""

    phone_number: str
    reservation_number: str
    expires_on: str
    lastname: str
    firstname: str
    lastname_kana: str
    firstname_kana: str
    gender: str
    birthday: str


class EsimActivation(Struct, frozen=True, kw_only=True):
    """A new eSIM line; without `mnp` Freebit assigns the number. `sim_kind`: E0 voice, E2 data, E3 data and SMS."""

    eid: str
    plan_code: str
    sim_kind: str
    account: str | None = None
    mnp: Mnp | None = None


class LineDetail(Struct, frozen=True):
    """A line as Freebit has it."""

    account: str
    active: bool
    eid: str
    plan_code: str


class FreebitClient:
    """Typed calls; every vendor error comes out as one of `app.errors`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._auth_key, self._auth_until = "", datetime.min.replace(tzinfo=UTC)
        self._base = settings.freebit_url.rstrip("/") + "/emptool/api/"
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.freebit_timeout_seconds, connect=5.0),
            verify=trusted(settings),
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )

    @classmethod
    async def open(cls, settings: Settings) -> "FreebitClient":
        """A client; nothing is called yet."""
        return cls(settings)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def activate_esim(self, new: EsimActivation) -> str | None:
        """Ask for an eSIM line; returns the number when Freebit assigns one now. Accepted is not done."""
        request: dict[str, Any] = {
            "eid": new.eid,
            "addKind": "M" if new.mnp else "N",
            "aladinOperated": OFF,
            "createType": "new",
            "simKind": new.sim_kind,
            "planCode": new.plan_code,
        }
        if new.account or new.mnp:
            request["account"] = new.mnp.phone_number if new.mnp else new.account
        if new.mnp:
            request["mnp"] = _mnp(new.mnp)
        answer = await self._call("esim", request, write=True)
        return answer.get("account") or request.get("account")

    async def register_sim(self, account: str, plan_code: str) -> None:
        """Ask for a physical SIM's line to be registered; takes up to ten minutes."""
        data = {"kind": "MVNO", "account": account, "planCode": plan_code}
        await self._call("sim", {"createType": "new", "requestDatas": [data]}, write=True)

    async def register_voice_options(self, account: str, *, voice_mail: bool, call_waiting: bool) -> None:
        """Register voice options; options that are not named are off."""
        options = {"voiceMail": ON if voice_mail else OFF, "callWaiting": ON if call_waiting else OFF}
        request = {"account": account, "userConfirmed": ON, "aladinOperated": OFF, "talkOption": options}
        await self._call("voice", request, write=True)

    async def detail(self, account: str) -> LineDetail | None:
        """The line under this number, or nothing."""
        request = {"version": "2", "requestDatas": [{"kind": "MVNO", "account": account}]}
        try:
            answer = await self._call("detail", request, write=False)
        except UpstreamNotFound:
            return None
        rows = answer.get("responseDatas") or []
        if not rows:
            return None
        row = rows[0]
        state = str(row.get("state") or row.get("status") or "").lower()
        return LineDetail(account, state in ACTIVE_STATES, str(row.get("eid") or ""), str(row.get("planCode") or ""))

    async def _call(self, operation: str, request: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
        """One call; a refused key is renewed once and the call repeated."""
        key = await self._key()
        try:
            return await self._post(operation, {**request, "authKey": key}, write=write)
        except UpstreamAuthFailed:
            renewed = await self._key(refused=key)
            return await self._post(operation, {**request, "authKey": renewed}, write=write)

    async def _key(self, refused: str = "") -> str:
        async with self._lock:
            if self._auth_key in ("", refused) or datetime.now(UTC) >= self._auth_until:
                login = {"oemId": self._settings.freebit_oem_id, "oemKey": self._settings.freebit_oem_key}
                answer = await self._post("auth", login, write=False)
                self._auth_key = str(answer.get("authKey", ""))
                self._auth_until = datetime.now(UTC) + AUTH_KEY_LIFETIME
            return self._auth_key

    async def _post(self, operation: str, request: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
        form = {"json": msgspec.json.encode(request).decode()}
        try:
            response = await self._http.post(self._base + PATHS[operation], data=form)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise UpstreamUnavailable(FREEBIT, operation, repr(error)) from error
        except httpx.HTTPError as error:
            raise (OutcomeUnknown if write else UpstreamUnavailable)(FREEBIT, operation, repr(error)) from error
        return _answer(operation, response, write)


def _answer(operation: str, response: httpx.Response, write: bool) -> dict[str, Any]:
    """Decide by resultCode, which comes as number or string, then by HTTP status."""
    try:
        body = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.DecodeError as error:
        if response.status_code >= 500:
            raise UpstreamUnavailable(FREEBIT, operation, f"HTTP {response.status_code}") from error
        kind = OutcomeUnknown if write and response.status_code == 200 else UpstreamMalformed
        raise kind(FREEBIT, operation, f"HTTP {response.status_code}: not a JSON object") from error
    code = str(body.get("resultCode", ""))
    if code == "100":
        return body
    raise _refusal(operation, code, body.get("status") or {}, response.status_code)


def _refusal(operation: str, code: str, status: Mapping[str, Any], http_status: int) -> UpstreamError:
    kind: type[UpstreamError] = UpstreamRejected
    if code in AUTH_CODES:
        kind = UpstreamAuthFailed
    elif code in BUSY_CODES:
        kind = UpstreamBusy
    elif code in ABSENT_CODES:
        kind = UpstreamNotFound
    elif code.startswith("5") or http_status >= 500:
        kind = UpstreamUnavailable
    vendor_code = f"{code}-{status.get('statusCode', '')}"
    return kind(FREEBIT, operation, str(status.get("message", "")), vendor_code=vendor_code)


def _mnp(mnp: Mnp) -> dict[str, str]:
    return {
        "reserveNumber": mnp.reservation_number,
        "reserveExpireDate": mnp.expires_on.replace("-", ""),
        "lastnameKanji": mnp.lastname,
        "firstnameKanji": mnp.firstname,
        "lastnameZenKana": mnp.lastname_kana,
        "firstnameZenKana": mnp.firstname_kana,
        "gender": mnp.gender,
        "birthday": mnp.birthday.replace("-", ""),
    }
