"""The Freebit MVNO API: ordering, reading, changing and ending lines.

Every call is a form with one field `json`. Calls answer before the work is done: accepted is not done, `detail` shows
when it is. There is no idempotency key, so read `detail` before repeating a call.
"""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec
from msgspec import Struct

from app.errors import UpstreamAuthFailed, UpstreamMalformed, UpstreamNotFound
from app.intake.text import cleaned, scalar
from app.integrations.admission.admission import unshared
from app.integrations.admission.upstream_admission import UpstreamAdmission
from app.integrations.error_translation import translates_all_errors
from app.integrations.forms import Forms
from app.integrations.freebit import records
from app.integrations.freebit.faults import FREEBIT, understood
from app.integrations.freebit.shapes import EsimActivation, LineDetail, LineState, LineUsage, Mnp
from app.integrations.shared import SharedValue
from app.settings import Settings

__all__ = ["EsimActivation", "FreebitClient", "LineDetail", "LineState", "LineUsage", "Mnp"]

CONCURRENCY = 4
PATHS = {
    "auth": "authOem/",
    "esim": "mvno/esim/addAcnt/",
    "sim": "master/addAcnt/",
    "cancel": "master/cnclAcnt/",
    "voice": "mvno/talkoption/addOrder/",
    "plan": "mvno/changePlan/",
    "detail": "mvno/getDetail/",
    "usage": "mvno/getTrafficInfo/",
}
"""Unverified in part; the only place that spells them. The trailing slash matters."""
AUTH_KEY_SECONDS = 50 * 60
ON, OFF = "10", "20"


class AuthKey(Struct, frozen=True):
    """The key that every call carries; valid until an instant of the monotonic clock."""

    text: str
    good_until_seconds: float


@translates_all_errors(FREEBIT)
class FreebitClient:
    """Typed calls; every vendor error is raised as one of `app.errors`."""

    def __init__(self, settings: Settings, admission: UpstreamAdmission | None = None) -> None:
        self._settings = settings
        self._admission = admission or unshared(FREEBIT, settings)
        self._base = settings.freebit_url.rstrip("/") + "/emptool/api/"
        self._forms = Forms(FREEBIT, settings, concurrency=CONCURRENCY)
        self._keys = SharedValue(self._log_in, lambda key: time.monotonic() < key.good_until_seconds)

    @classmethod
    async def open(cls, settings: Settings, admission: UpstreamAdmission | None = None) -> "FreebitClient":
        """Create a client; nothing is called yet."""
        return cls(settings, admission)

    async def close(self) -> None:
        """Close the connections to Freebit."""
        await self._keys.close()
        await self._forms.close()

    async def log_in(self) -> None:
        """Fetch an authentication key: the cheapest probe of address and credentials."""
        async with self._admission.admitted("auth", login=True):
            await self._keys.get()

    async def activate_esim(self, new: EsimActivation) -> str | None:
        """Request an eSIM line; returns the number if Freebit assigns one now. Accepted is not done."""
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
        return scalar(answer.get("account")).strip() or request.get("account") or None

    async def reissue_esim(self, line: LineDetail, eid: str) -> None:
        """Request the line's profile on another phone, named by its EID.

        Until that is done the line is activating. Check first: a line with this EID was already requested.
        """
        reissue = {"oldEid": line.eid} | ({"oldProductNumber": line.product_number} if line.product_number else {})
        request = {"eid": eid, "addKind": "R", "aladinOperated": OFF, "account": line.account, "reissue": reissue}
        await self._call("esim", request, write=True)

    async def register_sim(self, account: str, plan_code: str) -> None:
        """Request registration of a physical SIM's line; takes up to ten minutes."""
        data = {"kind": "MVNO", "account": account, "planCode": plan_code}
        await self._call("sim", {"createType": "new", "requestDatas": [data]}, write=True)

    async def cancel_line(self, account: str, run_on: date) -> None:
        """Request the end of a line on a date in Japan; the number is lost then.

        The date is always sent: without it the line would end at once. Repeating the request for the same date has no
        effect.
        """
        await self._call("cancel", {"kind": "MVNO", "account": account, "runDate": _day(run_on)}, write=True)

    async def change_plan(self, account: str, plan_code: str, run_on: date) -> None:
        """Request another plan from a date in Japan on. Check first: the line may have it already.

        Raises:
            UpstreamBusy: another operation on this line is running.
        """
        request = {"account": account, "planCode": plan_code, "runTime": _day(run_on), "globalIp": OFF}
        await self._call("plan", request, write=True)

    async def register_voice_options(self, account: str, *, voice_mail: bool, call_waiting: bool) -> None:
        """Register voice options; options that are not named are off."""
        options = {"voiceMail": ON if voice_mail else OFF, "callWaiting": ON if call_waiting else OFF}
        request = {"account": account, "userConfirmed": ON, "aladinOperated": OFF, "talkOption": options}
        await self._call("voice", request, write=True)

    async def detail(self, account: str) -> LineDetail | None:
        """Read the line with this number; None if there is none."""
        request = {"version": "2", "requestDatas": [{"kind": "MVNO", "account": account}]}
        try:
            answer = await self._call("detail", request, write=False)
        except UpstreamNotFound:
            return None
        return records.line(account, answer.get("responseDatas"))

    async def usage(self, account: str) -> LineUsage | None:
        """Read a line's data usage; None for an unknown line. Freebit asks not to loop over lines with it."""
        try:
            answer = await self._call("usage", {"account": account}, write=False)
        except UpstreamNotFound:
            return None
        return records.usage(account, answer)

    async def _call(self, operation: str, request: Mapping[str, Any], *, write: bool) -> dict[str, Any]:
        """Make one call; a refused key is renewed once and the call repeated."""
        async with self._admission.admitted(operation, key=f"{operation} {request.get('account', request)}"):
            return await self._authorised(operation, request, write)

    async def _authorised(self, operation: str, request: Mapping[str, Any], write: bool) -> dict[str, Any]:
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
        form = {"json": msgspec.json.encode(cleaned(request)).decode()}
        seconds = self._settings.freebit_timeout_seconds
        url = self._base + PATHS[operation]
        answer = await self._forms.post(operation, url, form, write=write, timeout_seconds=seconds)
        return understood(operation, answer, write)


def _day(day: date) -> str:
    return day.strftime("%Y%m%d")


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
