"""The Freebit client: one form field, result codes of either type, a key that expires."""

import asyncio
import json
from datetime import date

import pytest
import pytest_asyncio

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
from app.integrations.freebit.client import EsimActivation, FreebitClient, LineDetail, Mnp
from tests.integrations.conftest import settings
from tests.integrations.scripted import Reply

ESIM = EsimActivation(eid="8" * 32, plan_code="PNEW_5G", sim_kind="E0")
MNP = Mnp(
    phone_number="09012345678",
    reservation_number="1234567890",
    expires_on="2026-03-01",
    lastname="佐藤",
    firstname="花子",
    lastname_kana="サトウ",
    firstname_kana="ハナコ",
    gender="W",
    birthday="1990-04-05",
)


def result(code="100", status="200", message="OK", **fields):
    return Reply({"resultCode": code, "status": {"message": message, "statusCode": status}, **fields})


def keyed(reply):
    """Log-ins succeed with ever new keys; everything else gets the reply."""
    keys = iter(range(1, 100))
    return lambda asked: result(authKey=f"key-{next(keys)}") if "authOem" in asked.path else reply


def sent(asked):
    return json.loads(asked.form["json"])


def work(upstream):
    return [asked for asked in upstream.asked if "authOem" not in asked.path]


@pytest_asyncio.fixture
async def freebit(upstream):
    made = await FreebitClient.open(settings(freebit_url=upstream.url, freebit_timeout_seconds=1.2))
    yield made
    await made.close()


@pytest.mark.parametrize("code", [100, "100"])
async def test_success_is_a_hundred_as_number_or_text(freebit, upstream, code):
    upstream.will().answer = keyed(result(code, account="08011112222"))
    assert await freebit.activate_esim(ESIM) == "08011112222"
    (asked,) = work(upstream)
    assert asked.path == "/emptool/api/mvno/esim/addAcnt/"
    assert set(asked.form) == {"json"}
    assert sent(asked) == {
        "eid": "8" * 32,
        "addKind": "N",
        "aladinOperated": "20",
        "createType": "new",
        "simKind": "E0",
        "planCode": "PNEW_5G",
        "authKey": "key-1",
    }


async def test_a_number_transfer_carries_its_reservation(freebit, upstream):
    upstream.will().answer = keyed(result())
    with_number = EsimActivation(eid="8" * 32, plan_code="P", sim_kind="E0", mnp=MNP)
    assert await freebit.activate_esim(with_number) == "09012345678"
    request = sent(work(upstream)[0])
    assert (request["addKind"], request["account"]) == ("M", "09012345678")
    assert (request["mnp"]["reserveExpireDate"], request["mnp"]["birthday"]) == ("20260301", "19900405")


async def test_one_log_in_serves_many_calls_at_once(freebit, upstream):
    upstream.will().answer = keyed(result(responseDatas=[]))
    await asyncio.gather(*(freebit.detail("0801") for _ in range(10)))
    assert len(upstream.asked) - len(work(upstream)) == 1


async def test_a_refused_key_is_renewed_once_and_the_call_repeated(freebit, upstream):
    keys = iter(range(1, 100))

    def answer(asked):
        if "authOem" in asked.path:
            return result(authKey=f"key-{next(keys)}")
        return result(account="0801") if sent(asked)["authKey"] == "key-2" else result("401", "401")

    upstream.will().answer = answer
    assert await freebit.activate_esim(ESIM) == "0801"
    assert [sent(asked)["authKey"] for asked in work(upstream)] == ["key-1", "key-2"]


async def test_a_key_that_stays_refused_is_not_tried_forever(freebit, upstream):
    upstream.will().answer = keyed(result("401", "401"))
    with pytest.raises(UpstreamAuthFailed):
        await freebit.register_sim("0801", "P")
    assert len(work(upstream)) == 2


async def test_a_log_in_without_a_key_is_malformed(freebit, upstream):
    upstream.will(result())
    with pytest.raises(UpstreamMalformed):
        await freebit.detail("0801")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("400", UpstreamRejected),
        (404, UpstreamNotFound),
        ("409", UpstreamBusy),
        ("423", UpstreamBusy),
        ("500", UpstreamUnavailable),
        ("999", UpstreamRejected),
    ],
)
async def test_result_codes_fall_into_our_closed_set(freebit, upstream, code, kind):
    upstream.will().answer = keyed(result(code, "356", "unsupported"))
    with pytest.raises(UpstreamError) as raised:
        await freebit.register_sim("0801", "P")
    assert (type(raised.value), raised.value.vendor_code) == (kind, f"{code}-356")


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(hang=2), Reply("<html>", 500), Reply("<html>"), Reply({})])
async def test_a_write_with_a_doubtful_answer_is_sent_once_and_left_open(freebit, upstream, reply):
    upstream.will().answer = keyed(reply)
    with pytest.raises(OutcomeUnknown):
        await freebit.register_sim("0801", "P")
    assert len(work(upstream)) == 1


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(hang=2), Reply("<html>", 500)])
async def test_a_read_without_an_answer_is_unavailable(freebit, upstream, reply):
    upstream.will().answer = keyed(reply)
    with pytest.raises(UpstreamUnavailable):
        await freebit.detail("0801")


async def test_a_log_in_that_fails_sends_nothing_so_a_write_may_be_repeated(freebit, upstream):
    upstream.will(Reply(drop=True))
    with pytest.raises(UpstreamUnavailable):
        await freebit.register_sim("0801", "P")
    assert work(upstream) == []


async def test_options_that_were_not_chosen_are_said_to_be_off(freebit, upstream):
    upstream.will().answer = keyed(result())
    await freebit.register_voice_options("0801", voice_mail=True, call_waiting=False)
    request = sent(work(upstream)[0])
    assert request["talkOption"] == {"voiceMail": "10", "callWaiting": "20"}
    assert request["userConfirmed"] == "10"


@pytest.mark.parametrize(("state", "active"), [("active", True), ("activating", False), (None, False)])
async def test_detail_shows_whether_the_line_is_in_service(freebit, upstream, state, active):
    row = {"account": "0801", "state": state, "eid": "8" * 32, "planCode": "P"}
    upstream.will().answer = keyed(result(responseDatas=[row]))
    line = await freebit.detail("0801")
    assert line is not None
    assert (line.account, line.active, line.plan_code) == ("0801", active, "P")


async def test_a_line_that_is_unknown_is_nothing_and_a_strangers_is_refused(freebit, upstream):
    upstream.will().answer = keyed(result("404", "404"))
    assert await freebit.detail("0801") is None
    upstream.will().answer = keyed(result(responseDatas=[]))
    assert await freebit.detail("0801") is None
    upstream.will().answer = keyed(result(responseDatas=[{"account": "0999"}]))
    with pytest.raises(UpstreamMalformed):
        await freebit.detail("0801")


async def test_no_error_shows_key_or_identity(freebit, upstream):
    for reply in (result("400"), Reply("<html>", 500), Reply(drop=True)):
        upstream.will().answer = keyed(reply)
        with pytest.raises(UpstreamError) as raised:
            await freebit.activate_esim(EsimActivation(eid="8" * 32, plan_code="P", sim_kind="E0", mnp=MNP))
        shown = repr(raised.value) + str(raised.value) + repr(raised.value.__cause__)
        assert not any(secret in shown for secret in ("oem-key", "key-1", "佐藤", "09012345678"))


LINE = LineDetail(
    account="0801",
    state="active",
    eid="8" * 32,
    plan_code="P",
    product_number="AX0000000000001",
    contract_line="4G",
    voice_options=(),
)


async def test_a_plan_and_an_end_always_name_their_day(freebit, upstream):
    upstream.will().answer = keyed(result())
    await freebit.change_plan("0801", "PNEW_5G", date(2026, 12, 1))
    await freebit.cancel_line("0801", date(2026, 12, 31))
    plan, end = work(upstream)
    assert (plan.path, end.path) == ("/emptool/api/mvno/changePlan/", "/emptool/api/master/cnclAcnt/")
    assert sent(plan) == {
        "account": "0801",
        "planCode": "PNEW_5G",
        "runTime": "20261201",
        "globalIp": "20",
        "authKey": "key-1",
    }
    assert (sent(end)["kind"], sent(end)["runDate"]) == ("MVNO", "20261231")


async def test_a_reissue_names_the_old_profile_and_the_new_phone(freebit, upstream):
    upstream.will().answer = keyed(result())
    await freebit.reissue_esim(LINE, "9" * 32)
    request = sent(work(upstream)[0])
    assert (request["addKind"], request["eid"], request["account"]) == ("R", "9" * 32, "0801")
    assert request["reissue"] == {"oldEid": "8" * 32, "oldProductNumber": "AX0000000000001"}
    assert "simKind" not in request


@pytest.mark.parametrize("reply", [Reply(drop=True), Reply(hang=2), Reply("<html>", 500), Reply("<html>"), Reply({})])
async def test_a_change_with_a_doubtful_answer_is_sent_once_and_left_open(freebit, upstream, reply):
    upstream.will().answer = keyed(reply)
    for change in (
        freebit.change_plan("0801", "P", date(2026, 12, 1)),
        freebit.cancel_line("0801", date(2026, 12, 1)),
        freebit.reissue_esim(LINE, "9" * 32),
    ):
        with pytest.raises(OutcomeUnknown):
            await change
    assert len(work(upstream)) == 3


async def test_another_operation_on_the_line_is_busy_and_may_be_repeated_later(freebit, upstream):
    upstream.will().answer = keyed(result("409", "409", "another operation is running"))
    with pytest.raises(UpstreamBusy) as busy:
        await freebit.change_plan("0801", "P", date(2026, 12, 1))
    assert busy.value.vendor_code == "409-409"


@pytest.mark.parametrize("days", ["30,20,10", [30, "20", 10], ""])
async def test_usage_is_read_in_either_spelling(freebit, upstream, days):
    traffic = {"today": "40", "inRecentDays": days, "blackList": "10"}
    upstream.will().answer = keyed(result(account="0801", traffic=traffic))
    found = await freebit.usage("0801")
    assert found is not None
    assert (found.today_kilobytes, found.limited) == (40, True)
    assert found.recent_days_kilobytes == ((30, 20, 10) if days else ())


async def test_usage_of_another_line_or_without_numbers_is_malformed(freebit, upstream):
    good = {"today": "40", "inRecentDays": "", "blackList": "20"}
    for fields in (
        {"account": "0999", "traffic": good},
        {"account": "0801"},
        {"account": "0801", "traffic": {**good, "today": "many"}},
    ):
        upstream.will().answer = keyed(result(**fields))
        with pytest.raises(UpstreamMalformed):
            await freebit.usage("0801")
    upstream.will().answer = keyed(result("404", "404"))
    assert await freebit.usage("0801") is None


async def test_unreadable_days_are_left_out(freebit, upstream):
    traffic = {"today": "40.0", "inRecentDays": "1,x", "blackList": 20}
    upstream.will().answer = keyed(result(account="0801", traffic=traffic))
    found = await freebit.usage("0801")
    assert (found.today_kilobytes, found.recent_days_kilobytes) == (40, ())


async def test_detail_shows_state_network_and_voice_options(freebit, upstream):
    row = {
        "account": "0801",
        "state": "cancelled",
        "contractLine": "5G",
        "productNumber": "AX1",
        "talkoption": {"voiceMail": "10", "callWaiting": "20"},
    }
    upstream.will().answer = keyed(result(responseDatas=[row]))
    line = await freebit.detail("0801")
    assert line is not None
    assert (line.state, line.active, line.contract_line) == ("cancelled", False, "5G")
    assert (line.product_number, line.voice_options) == ("AX1", ("voice_mail",))
