"""Freebit: the form transport, keys that expire, work that is accepted now and done later, refusals."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.sandbox.conftest import SandboxProcess, browser, wait_for

EID = "89" * 16
PATH = "/emptool/api/{}/"
MNP = {
    "reserveNumber": "1234567890",
    "reserveExpireDate": "20991231",
    "lastnameKanji": "佐藤",
    "firstnameKanji": "花子",
    "lastnameZenKana": "サトウ",
    "firstnameZenKana": "ハナコ",
    "gender": "W",
    "birthday": "19900401",
}


@dataclass
class Freebit:
    """A client that is logged in."""

    http: httpx.Client
    key: str = ""
    codes: list[Any] = field(default_factory=list)

    def post(self, operation: str, **body: Any) -> dict[str, Any]:
        form = {"json": json.dumps({"authKey": self.key, **body})}
        response = self.http.post(PATH.format(operation), data=form)
        assert response.status_code == 200
        answer: dict[str, Any] = response.json()
        self.codes.append(answer["resultCode"])
        return answer

    def call(self, operation: str, **body: Any) -> dict[str, Any]:
        answer = self.post(operation, **body)
        assert str(answer["resultCode"]) == "100", answer
        return answer

    def refusal(self, operation: str, **body: Any) -> str:
        answer = self.post(operation, **body)
        assert str(answer["resultCode"]) != "100"
        return f"{answer['resultCode']}-{answer['status']['statusCode']}"

    def line(self, account: str) -> dict[str, Any]:
        answer = self.call("mvno/getDetail", requestDatas=[{"kind": "MVNO", "account": account}])
        return dict(answer["responseDatas"][0])

    def esim(self, **change: Any) -> dict[str, Any]:
        body = {"eid": EID, "addKind": "N", "aladinOperated": "20", "createType": "new", "simKind": "E2"}
        return {**body, "planCode": "PASI_DATA_5GB", **change}


@pytest.fixture
def freebit(sandbox_process: SandboxProcess, control: httpx.Client) -> Iterator[Freebit]:
    known = sandbox_process.state["freebit"]
    with browser(sandbox_process, "freebit") as http:
        client = Freebit(http)
        client.key = client.call("authOem", oemId=known["oem_id"], oemKey=known["oem_key"])["authKey"]
        yield client


def test_only_a_urlencoded_form_at_a_path_with_its_slash_is_understood(freebit: Freebit) -> None:
    body = json.dumps({"authKey": freebit.key, "account": "08012345678"})
    bare = freebit.http.post("/emptool/api/mvno/getTrafficInfo", data={"json": body})
    assert bare.status_code == 404
    as_json = freebit.http.post(PATH.format("mvno/getTrafficInfo"), content=body)
    assert str(as_json.json()["resultCode"]) == "400"
    no_field = freebit.http.post(PATH.format("mvno/getTrafficInfo"), data={"body": body})
    assert no_field.json()["status"]["statusCode"] == "291"


def test_wrong_credentials_give_no_key_and_an_expired_key_is_refused(freebit: Freebit, control: httpx.Client) -> None:
    assert freebit.refusal("authOem", oemId="PASI", oemKey="wrong") == "401-401"
    control.delete("/freebit/keys").raise_for_status()
    assert freebit.refusal("mvno/getDetail", requestDatas=[{"account": "08012345678"}]) == "401-401"


def test_result_codes_come_as_numbers_and_as_strings(freebit: Freebit) -> None:
    for _ in range(4):
        freebit.refusal("mvno/getDetail", requestDatas=[{"account": "08099999999"}])
    assert {type(code) for code in freebit.codes} == {int, str}


def test_a_new_esim_gets_a_number_at_once_and_is_in_service_later(freebit: Freebit) -> None:
    account = freebit.call("mvno/esim/addAcnt", **freebit.esim())["account"]
    assert account.isdigit()
    assert len(account) == 11
    assert freebit.line(account)["state"] == "activating"
    wait_for(lambda: freebit.line(account)["state"] == "active", "the activation")
    assert freebit.line(account)["eid"] == EID
    assert freebit.refusal("mvno/esim/addAcnt", **freebit.esim()) == "400-320"


def test_how_long_an_activation_takes_is_ours_to_say(freebit: Freebit, control: httpx.Client) -> None:
    control.put("/freebit/settings", json={"delay_seconds": 3600}).raise_for_status()
    account = freebit.call("mvno/esim/addAcnt", **freebit.esim())["account"]
    control.put("/clock", json={"advance_seconds": 2900})
    assert freebit.line(account)["state"] == "activating"
    control.patch(f"/freebit/lines/{account}", json={"state": "active"}).raise_for_status()
    assert freebit.line(account)["state"] == "active"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"addKind": "M", "aladinOperated": "10", "account": "08012345678", "mnp": MNP}, "400-356"),
        ({"addKind": "R", "aladinOperated": "10", "account": "08012345678"}, "400-356"),
        ({"eid": "123"}, "400-301"),
        ({"addKind": "X"}, "400-302"),
        ({"simKind": "E9"}, "400-303"),
        ({"addKind": "M", "mnp": MNP}, "400-300"),
        ({"addKind": "M", "account": "080-1234-5678", "mnp": MNP}, "400-310"),
        ({"addKind": "M", "account": "08012345678", "mnp": {**MNP, "reserveNumber": "12"}}, "400-330"),
        ({"addKind": "M", "account": "08012345678", "mnp": {**MNP, "reserveExpireDate": "20200101"}}, "400-332"),
        ({"addKind": "M", "account": "08012345678", "mnp": {**MNP, "lastnameZenKana": "ｻﾄｳ"}}, "400-333"),
        ({"addKind": "M", "account": "08012345678", "mnp": {**MNP, "gender": "F"}}, "400-334"),
    ],
)
def test_an_esim_request_that_does_not_fit_is_refused_and_makes_no_line(
    freebit: Freebit, control: httpx.Client, change: dict[str, Any], code: str
) -> None:
    before = control.get("/freebit/lines").json()["total"]
    assert freebit.refusal("mvno/esim/addAcnt", **freebit.esim(**change)) == code
    assert control.get("/freebit/lines").json()["total"] == before


def test_a_number_comes_along(freebit: Freebit) -> None:
    moved = freebit.esim(addKind="M", account="08012345678", simKind="E0", mnp=MNP)
    freebit.call("mvno/esim/addAcnt", **moved)
    assert freebit.line("08012345678")["planCode"] == "PASI_DATA_5GB"


def test_a_physical_sim_takes_voice_options_only_once_it_is_active(freebit: Freebit, control: httpx.Client) -> None:
    data = {"kind": "MVNO", "account": "08055550001", "planCode": "PASI_VOICE_5GB"}
    freebit.call("master/addAcnt", createType="new", requestDatas=[data])
    voice = {"account": "08055550001", "userConfirmed": "10", "talkOption": {"voiceMail": "10"}}
    assert freebit.refusal("mvno/talkoption/addOrder", **voice) == "409-409"
    control.patch("/freebit/lines/08055550001", json={"state": "active"})
    assert freebit.refusal("mvno/talkoption/addOrder", **{**voice, "userConfirmed": "20"}) == "400-306"
    freebit.call("mvno/talkoption/addOrder", **voice)
    control.put("/clock", json={"advance_seconds": 5})
    options = freebit.line("08055550001")["talkoption"]
    assert (options["voiceMail"], options["callWaiting"]) == ("10", "20")
    assert freebit.refusal("master/addAcnt", createType="new", requestDatas=[data]) == "400-321"


def test_a_line_change_locks_the_account_meanwhile(freebit: Freebit, control: httpx.Client) -> None:
    account = control.get("/freebit/lines").json()["records"][0]["account"]
    freebit.call("mvno/contractline/change", account=account, contractLine="5G")
    assert freebit.refusal("mvno/contractline/change", account=account, contractLine="4G") == "409-409"
    assert freebit.line(account)["contractLine"] == "5G"


def test_a_semi_black_sim_is_queued_and_then_active_at_once(freebit: Freebit) -> None:
    queued = {"account": "08066660001", "planCode": "PASI_VOICE_5GB", "productNumber": "AX0000000000001", "mnp": MNP}
    freebit.call("mvno/semiblack/addTempAcnt", **queued)
    assert freebit.refusal("mvno/semiblack/addTempAcnt", **queued) == "400-323"
    freebit.call("mvno/semiblack/addAcnt", account="08066660001")
    assert freebit.line("08066660001")["state"] == "active"


def test_cancelling_without_a_date_is_at_once_and_with_one_is_later(freebit: Freebit, control: httpx.Client) -> None:
    first, second = (each["account"] for each in control.get("/freebit/lines").json()["records"][:2])
    freebit.call("master/cnclAcnt", kind="MVNO", account=first)
    freebit.call("master/cnclAcnt", kind="MVNO", account=second, runDate="2099-12-31")
    assert freebit.line(first)["state"] == "cancelled"
    assert freebit.line(second)["state"] == "active"
    assert freebit.refusal("mvno/getTrafficInfo", account=first) == "404-404"
    assert freebit.call("mvno/getTrafficInfo", account=second)["traffic"]["today"].isdigit()


def test_a_plan_changes_at_once_or_on_its_day_and_locks_the_line_meanwhile(
    freebit: Freebit, control: httpx.Client
) -> None:
    first, second = (each["account"] for each in control.get("/freebit/lines").json()["records"][:2])
    freebit.call("mvno/changePlan", account=first, planCode="PASI_DATA_50GB")
    assert freebit.line(first)["planCode"] == "PASI_DATA_50GB"
    assert freebit.refusal("mvno/changePlan", account=first, planCode="PASI_DATA_5GB") == "409-409"
    assert freebit.refusal("master/cnclAcnt", kind="MVNO", account=first) == "409-409"
    before = freebit.line(second)["planCode"]
    tomorrow = (datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(days=1)).strftime("%Y%m%d")
    freebit.call("mvno/changePlan", account=second, planCode="PASI_LATER", runTime=tomorrow)
    assert freebit.line(second)["planCode"] == before
    control.put("/clock", json={"advance_seconds": 86_400})
    assert control.get(f"/freebit/lines/{second}").json()["plan_code"] == "PASI_LATER"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"planCode": ""}, "400-300"),
        ({"planCode": "P" * 33}, "400-311"),
        ({"runTime": "tomorrow"}, "400-312"),
        ({"account": "08099999999"}, "404-404"),
    ],
)
def test_a_plan_change_that_does_not_fit_is_refused(
    freebit: Freebit, control: httpx.Client, change: dict[str, str], code: str
) -> None:
    account = control.get("/freebit/lines").json()["records"][0]["account"]
    assert freebit.refusal("mvno/changePlan", **{"account": account, "planCode": "P", **change}) == code


def test_a_reissue_needs_an_esim_its_old_profile_and_a_free_phone(freebit: Freebit, control: httpx.Client) -> None:
    card = control.get("/freebit/lines").json()["records"][0]["account"]
    asked = {"addKind": "R", "eid": "2" * 32, "reissue": {"oldEid": ""}}
    assert freebit.refusal("mvno/esim/addAcnt", account=card, **asked) == "400-322"
    account = freebit.call("mvno/esim/addAcnt", **freebit.esim())["account"]
    asked = {**asked, "account": account, "reissue": {"oldEid": EID}}
    assert freebit.refusal("mvno/esim/addAcnt", **asked) == "409-409"
    control.patch(f"/freebit/lines/{account}", json={"state": "active"})
    assert freebit.refusal("mvno/esim/addAcnt", **{**asked, "eid": EID}) == "400-320"
    freebit.call("mvno/esim/addAcnt", **asked)
    assert freebit.line(account)["eid"] == "2" * 32
