"""Every Freebit and WHM call against the sandbox process, over TLS, in good and in bad times."""

import asyncio
import secrets

import pytest

from app.errors import OutcomeUnknown, UpstreamRejected, UpstreamUnavailable
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
