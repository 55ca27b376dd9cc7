"""Every Freebit and WHM call against the sandbox process, over TLS, in good and in bad times."""

import asyncio
import secrets
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.errors import OutcomeUnknown, UpstreamBusy, UpstreamNotFound, UpstreamRejected, UpstreamUnavailable
from app.integrations.freebit.client import EsimActivation, Mnp
from app.integrations.whm.client import NewHostingAccount

PACKAGE = "default"


def eid():
    return "".join(secrets.choice("0123456789") for _ in range(32))


async def until_active(freebit, account):
    for _ in range(60):
        line = await freebit.detail(account)
        assert line is not None
        if line.active:
            return line
        await asyncio.sleep(0.1)
    raise AssertionError("the line never became active")


async def test_an_esim_is_accepted_first_and_active_later(freebit):
    number = await freebit.activate_esim(EsimActivation(eid=eid(), plan_code="PNEW_5G", sim_kind="E0"))
    assert number
    line = await freebit.detail(number)
    assert line is not None
    assert not line.active
    assert (await until_active(freebit, number)).plan_code == "PNEW_5G"
    await freebit.register_voice_options(number, voice_mail=True, call_waiting=False)


async def test_a_number_moves_in_with_its_reservation(freebit):
    mnp = Mnp(
        phone_number="09012345678",
        reservation_number="1234567890",
        expires_on="2099-12-31",
        lastname="佐藤",
        firstname="花子",
        lastname_kana="サトウ",
        firstname_kana="ハナコ",
        gender="W",
        birthday="1990-04-05",
    )
    assert (
        await freebit.activate_esim(EsimActivation(eid=eid(), plan_code="P", sim_kind="E0", mnp=mnp)) == "09012345678"
    )


async def test_a_physical_sim_is_registered_once(freebit):
    assert await freebit.detail("08099990001") is None
    await freebit.register_sim("08099990001", "LTE3G_P01")
    with pytest.raises(UpstreamRejected):
        await freebit.register_sim("08099990001", "LTE3G_P01")


async def test_a_sim_that_was_registered_without_an_answer_shows_in_detail(freebit, sandbox):
    await freebit.detail("08099990002")  # logs in, so that the next call is the registration
    await sandbox.fault("freebit", "timeout_after_write")
    with pytest.raises(OutcomeUnknown):
        await freebit.register_sim("08099990002", "P")
    assert await freebit.detail("08099990002") is not None


async def test_freebit_being_down_is_unavailable(freebit, sandbox):
    await freebit.detail("08099990003")
    await sandbox.fault("freebit", "down", count=2)
    with pytest.raises(UpstreamUnavailable):
        await freebit.register_sim("08099990003", "P")
    with pytest.raises(UpstreamUnavailable):
        await freebit.detail("08099990003")


async def test_a_hosting_account_is_created_found_and_not_created_twice(whm, sandbox):
    assert await whm.version()
    new = NewHostingAccount("cabcdefg", "shop.example.jp", PACKAGE, "a@example.com")
    assert await whm.account(new.username) is None
    await whm.create_account(new)
    found = await whm.account(new.username)
    assert found is not None
    assert (found.domain, found.plan, found.suspended) == ("shop.example.jp", PACKAGE, False)
    assert await whm.account("cabc") is None
    with pytest.raises(UpstreamRejected) as refused:
        await whm.create_account(new)
    assert refused.value.vendor_code == "username_taken"


async def test_a_hosting_account_made_without_an_answer_is_found_by_its_name(whm, sandbox):
    new = NewHostingAccount("cunknown", "late.example.jp", PACKAGE, "a@example.com")
    await sandbox.fault("whm", "timeout_after_write", "createacct")
    with pytest.raises(OutcomeUnknown):
        await whm.create_account(new)
    assert await whm.account("cunknown") is not None


async def test_whm_being_down_is_unavailable(whm, sandbox):
    await sandbox.fault("whm", "down", count=2)
    with pytest.raises(UpstreamUnavailable):
        await whm.version()
    with pytest.raises(UpstreamUnavailable):
        await whm.create_account(NewHostingAccount("cdown", "d.example.jp", PACKAGE, "a@example.com"))


async def test_a_line_changes_its_plan_reports_its_usage_and_ends(freebit):
    number = await freebit.activate_esim(EsimActivation(eid=eid(), plan_code="PASI_DATA_5GB", sim_kind="E2"))
    today = datetime.now(ZoneInfo("Asia/Tokyo")).date()
    with pytest.raises(UpstreamBusy):  # it is not in service yet
        await freebit.change_plan(number, "PASI_DATA_10GB", today)
    await until_active(freebit, number)
    await freebit.change_plan(number, "PASI_DATA_10GB", today)
    with pytest.raises(UpstreamBusy):
        await freebit.change_plan(number, "PASI_DATA_25GB", today)
    line = await freebit.detail(number)
    assert line is not None
    assert line.plan_code == "PASI_DATA_10GB"
    used = await freebit.usage(number)
    assert used is not None
    assert used.today_kilobytes == int(number[-5:])
    await asyncio.sleep(1.1)
    await freebit.cancel_line(number, today)
    ended = await freebit.detail(number)
    assert ended is not None
    assert ended.state == "cancelled"
    assert await freebit.usage(number) is None


async def test_a_profile_is_reissued_for_another_phone(freebit):
    number = await freebit.activate_esim(EsimActivation(eid=eid(), plan_code="P", sim_kind="E2"))
    line, phone = await until_active(freebit, number), eid()
    await freebit.reissue_esim(line, phone)
    again = await freebit.detail(number)
    assert again is not None
    assert (again.eid, again.state) == (phone, "activating")
    assert (await until_active(freebit, number)).eid == phone
    with pytest.raises(UpstreamRejected) as refused:
        await freebit.reissue_esim(line, eid())  # with the old profile, which the line has no more
    assert refused.value.vendor_code == "400-322"


@pytest.mark.parametrize("kind", ["timeout_after_write", "empty"])
async def test_a_plan_change_without_an_answer_shows_in_detail(freebit, sandbox, kind):
    number = await freebit.activate_esim(EsimActivation(eid=eid(), plan_code="PASI_DATA_5GB", sim_kind="E2"))
    await until_active(freebit, number)
    await sandbox.fault("freebit", kind, "mvno/changePlan")
    with pytest.raises(OutcomeUnknown):
        await freebit.change_plan(number, "PASI_DATA_10GB", datetime.now(ZoneInfo("Asia/Tokyo")).date())
    line = await freebit.detail(number)
    assert line is not None
    assert line.plan_code == "PASI_DATA_10GB"


async def test_a_hosting_account_is_suspended_released_moved_opened_and_removed(whm):
    new = NewHostingAccount("cwhole01", "whole.example.jp", "Hosting Basic", "a@example.com")
    await whm.create_account(new)
    await whm.suspend(new.username, "Payment overdue")
    held = await whm.summary(new.username)
    assert held is not None
    assert (held.suspended, held.suspend_reason, held.disk_limit_megabytes) == (True, "Payment overdue", 5 * 1024)
    with pytest.raises(UpstreamRejected) as twice:
        await whm.suspend(new.username, "Payment overdue")
    assert twice.value.vendor_code == "already_suspended"
    await whm.unsuspend(new.username)
    with pytest.raises(UpstreamRejected) as free:
        await whm.unsuspend(new.username)
    assert free.value.vendor_code == "not_suspended"
    await whm.change_package(new.username, "Hosting Pro")
    moved = await whm.summary(new.username)
    assert moved is not None
    assert (moved.plan, moved.suspended, moved.disk_limit_megabytes) == ("Hosting Pro", False, 20 * 1024)
    with pytest.raises(UpstreamRejected) as missing:
        await whm.change_package(new.username, "Hosting Nowhere")
    assert missing.value.vendor_code == "package_missing"
    session = await whm.control_panel(new.username)
    assert f"session={new.username}:" in session.url
    await whm.remove_account(new.username)
    assert await whm.summary(new.username) is None
    with pytest.raises(UpstreamNotFound):
        await whm.control_panel(new.username)


@pytest.mark.parametrize("function", ["suspendacct", "changepackage", "removeacct"])
async def test_a_change_of_hosting_without_an_answer_shows_in_the_summary(whm, sandbox, function):
    new = NewHostingAccount("clost001", "lost.example.jp", "Hosting Basic", "a@example.com")
    await whm.create_account(new)
    await sandbox.fault("whm", "timeout_after_write", function)
    change = {
        "suspendacct": lambda: whm.suspend(new.username, "x"),
        "changepackage": lambda: whm.change_package(new.username, "Hosting Pro"),
        "removeacct": lambda: whm.remove_account(new.username),
    }
    with pytest.raises(OutcomeUnknown):
        await change[function]()
    found = await whm.summary(new.username)
    if function == "removeacct":
        assert found is None
        return
    assert found is not None
    assert found.suspended == (function == "suspendacct")
    assert found.plan == ("Hosting Pro" if function == "changepackage" else "Hosting Basic")
