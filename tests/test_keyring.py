"""Two secrets valid at once: either is believed, the current one makes things, and nobody goes round the keyring."""

import re
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken

from app.commands import sealed
from app.keyring import Keyring
from app.settings import SettingsError, load
from tests.test_settings import filled

APP = Path(__file__).parents[1] / "app"
OLD, NEW = "o" * 32, "n" * 32
TURNING = Keyring(NEW, OLD)


def test_macs_of_either_secret_are_believed_and_made_with_the_current_one() -> None:
    for secret in (OLD, NEW):
        assert TURNING.signed(b"x", Keyring(secret).mac(b"x"))
    assert TURNING.mac(b"x") == Keyring(NEW).mac(b"x")
    assert not Keyring(OLD).signed(b"x", TURNING.mac(b"x"))


@pytest.mark.parametrize("mac", [b"", b"\0", Keyring(NEW).mac(b"x")[:31], Keyring("t" * 32).mac(b"x"), bytes(32)])
def test_nothing_but_a_whole_mac_is_believed(mac: bytes) -> None:
    assert not TURNING.signed(b"x", mac)


def test_an_absent_previous_secret_signs_nothing() -> None:
    assert not Keyring(NEW).signed(b"x", Keyring("").mac(b"x"))
    assert Keyring(NEW).secrets() == (NEW,)


def test_what_either_secret_sealed_opens_for_its_own_purpose_alone() -> None:
    other = sealed.Sealed("another", "t", "k", "c")
    for secret in (OLD, NEW):
        box = sealed.seal(Keyring(secret), sealed.TOTP_SECRET, "plain")
        assert sealed.unseal(TURNING, sealed.TOTP_SECRET, box) == "plain"
        with pytest.raises(InvalidToken):
            sealed.unseal(TURNING, other, box)
    with pytest.raises(InvalidToken):
        sealed.unseal(Keyring(OLD), sealed.TOTP_SECRET, sealed.seal(TURNING, sealed.TOTP_SECRET, "plain"))


def test_only_what_the_previous_secret_sealed_is_sealed_again() -> None:
    fresh = sealed.resealed(TURNING, sealed.TOTP_SECRET, sealed.seal(Keyring(OLD), sealed.TOTP_SECRET, "plain"))
    assert fresh is not None
    assert sealed.unseal(Keyring(NEW), sealed.TOTP_SECRET, fresh) == "plain"
    assert sealed.resealed(TURNING, sealed.TOTP_SECRET, fresh) is None


def test_the_secrets_are_read_by_the_keyring_alone() -> None:
    """Whatever read PORTAL_SECRET itself would break at its next change."""
    named = {
        str(path.relative_to(APP))
        for path in APP.rglob("*.py")
        if re.search(r"\bportal_secret(_previous)?\b(?!:)", path.read_text())
    }
    assert named == {"settings.py"}


def test_whatever_is_stored_sealed_is_listed_for_resealing() -> None:
    kinds = {name for name, value in vars(sealed).items() if isinstance(value, sealed.Sealed)}
    assert {id(getattr(sealed, name)) for name in kinds} == {id(each) for each in sealed.STORED}
    used = {
        found
        for path in APP.rglob("*.py")
        for found in re.findall(r"sealed\.seal\(\s*[\w.]+,\s*([\w.]+)", path.read_text())
    }
    assert used <= {f"sealed.{name}" for name in kinds}


def test_a_short_previous_secret_is_refused_and_not_repeated() -> None:
    assert load({**filled(), "PORTAL_SECRET_PREVIOUS": ""}).keyring.previous == ""
    with pytest.raises(SettingsError, match="PORTAL_SECRET_PREVIOUS") as caught:
        load({**filled(), "PORTAL_SECRET_PREVIOUS": "hunter2"})
    assert "hunter2" not in str(caught.value)
