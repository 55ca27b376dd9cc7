"""The Freebit MVNO API: SIM registration and eSIM activation.

Every call is a form with one field `json`. Calls answer before the work is done: accepted is not done, `detail` tells
when it is. There is no idempotency key, so whoever repeats must read `detail` first.
"""

import time
from collections.abc import Mapping
from typing import Any

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
from app.integrations.forms import Answer, Forms, of_status
from app.integrations.shared import Shared
from app.settings import Settings

FREEBIT = "freebit"
CONCURRENCY = 4
PATHS = {
    "auth": "authOem/",
    "esim": "mvno/esim/addAcnt/",
    "sim": "master/addAcnt/",
    "voice": "mvno/talkoption/addOrder/",
    "detail": "mvno/getDetail/",
}
"""Unverified in part; the only place that spells them. The trailing slash matters."""
SUCCESS = "100"
RESULTS: dict[str, type[UpstreamError]] = {
    "401": UpstreamAuthFailed,
    "403": UpstreamAuthFailed,
    "404": UpstreamNotFound,
    "409": UpstreamBusy,
    "423": UpstreamBusy,
    "429": UpstreamBusy,
    "503": UpstreamBusy,
}
"""Unverified: what a resultCode means. Other codes of 500 and more are trouble of theirs, the rest a plain refusal."""
AUTH_KEY_SECONDS = 50 * 60
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


class AuthKey(Struct, frozen=True):
    """What every call carries; good until an instant of the monotonic clock."""

    text: str
    good_until_seconds: float


class FreebitClient:
    """Typed calls; every vendor error comes out as one of `app.errors`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = settings.freebit_url.rstrip("/") + "/emptool/api/"
        self._forms = Forms(FREEBIT, settings, concurrency=CONCURRENCY)
        self._keys = Shared(self._log_in, lambda key: time.monotonic() < key.good_until_seconds)

    @classmethod
    async def open(cls, settings: Settings) -> "FreebitClient":
        """A client; nothing is called yet."""
        return cls(settings)

    async def close(self) -> None:
        """Give the connections back."""
        await self._keys.close()
        await self._forms.close()

    async def log_in(self) -> None:
        """Get an authentication key: the cheapest probe of address and credentials."""
        await self._keys.get()

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
        number = answer.get("account") or request.get("account")
        return str(number) if number else None

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
        return _line(account, answer.get("responseDatas"))

    async def _call(self, operation: str, request: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
        """One call; a refused key is renewed once and the call repeated."""
        key = await self._keys.get()
        try:
            return await self._post(operation, {**request, "authKey": key.text}, write=write)
        except UpstreamAuthFailed:
            renewed = await self._keys.get(refused=key)
            return await self._post(operation, {**request, "authKey": renewed.text}, write=write)

    async def _log_in(self) -> AuthKey:
        login = {"oemId": self._settings.freebit_oem_id, "oemKey": self._settings.freebit_oem_key}
        answer = await self._post("auth", login, write=False)
        key = answer.get("authKey")
        if not isinstance(key, str) or not key:
            raise UpstreamMalformed(FREEBIT, "auth", "success without authKey")
        return AuthKey(key, time.monotonic() + AUTH_KEY_SECONDS)

    async def _post(self, operation: str, request: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
        form = {"json": msgspec.json.encode(request).decode()}
        seconds = self._settings.freebit_timeout_seconds
        url = self._base + PATHS[operation]
        answer = await self._forms.post(operation, url, form, write=write, timeout_seconds=seconds)
        return _understood(operation, answer, write)


def _understood(operation: str, answer: Answer, write: bool) -> dict[str, Any]:
    """Decide by resultCode, which comes as number or string, and without one by HTTP status."""
    try:
        body: dict[str, Any] = msgspec.json.decode(answer.content, type=dict[str, Any])
    except msgspec.DecodeError:
        body = {}
    code = str(body.get("resultCode", ""))
    if code == SUCCESS:
        return body
    if code:
        raise _refusal(operation, code, body.get("status"))
    if failure := of_status(FREEBIT, operation, answer.status, write=write):
        raise failure
    kind = OutcomeUnknown if write and answer.status == 200 else UpstreamMalformed
    raise kind(FREEBIT, operation, f"HTTP {answer.status} without a resultCode")


def _refusal(operation: str, code: str, status: Any) -> UpstreamError:
    detail = status if isinstance(status, Mapping) else {}
    kind = RESULTS.get(code) or (UpstreamUnavailable if code.startswith("5") else UpstreamRejected)
    vendor_code = f"{code}-{detail.get('statusCode', '')}"
    return kind(FREEBIT, operation, str(detail.get("message", "")), vendor_code=vendor_code)


def _line(account: str, rows: Any) -> LineDetail | None:
    """The first entry, which is the only one honoured; another line's is none of ours."""
    if not rows:
        return None
    if not isinstance(rows, list) or not isinstance(rows[0], Mapping):
        raise UpstreamMalformed(FREEBIT, "detail", "responseDatas is not a list of objects")
    row = rows[0]
    if str(row.get("account") or account) != account:
        raise UpstreamMalformed(FREEBIT, "detail", "another line than the one asked for")
    state = str(row.get("state") or row.get("status") or "").lower()
    return LineDetail(account, state in ACTIVE_STATES, str(row.get("eid") or ""), str(row.get("planCode") or ""))


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
