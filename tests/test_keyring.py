"""Two secrets valid at once: either is believed, the current one makes things, and nobody goes round the keyring."""

import re
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken

from app.commands.identity import encryption
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
    other = encryption.Sealed("another", "t", "k", "c")
    for secret in (OLD, NEW):
        box = encryption.seal(Keyring(secret), encryption.TOTP_SECRET, "plain")
        assert encryption.unseal(TURNING, encryption.TOTP_SECRET, box) == "plain"
        with pytest.raises(InvalidToken):
            encryption.unseal(TURNING, other, box)
    with pytest.raises(InvalidToken):
        encryption.unseal(
            Keyring(OLD), encryption.TOTP_SECRET, encryption.seal(TURNING, encryption.TOTP_SECRET, "plain")
        )


def test_only_what_the_previous_secret_sealed_is_sealed_again() -> None:
    fresh = encryption.resealed(
        TURNING, encryption.TOTP_SECRET, encryption.seal(Keyring(OLD), encryption.TOTP_SECRET, "plain")
    )
    assert fresh is not None
    assert encryption.unseal(Keyring(NEW), encryption.TOTP_SECRET, fresh) == "plain"
    assert encryption.resealed(TURNING, encryption.TOTP_SECRET, fresh) is None


def test_the_secrets_are_read_by_the_keyring_alone() -> None:
    """Whatever read PORTAL_SECRET itself would break at its next change."""
    named = {
        str(path.relative_to(APP))
        for path in APP.rglob("*.py")
        if re.search(r"\bportal_secret(_previous)?\b(?!:)", path.read_text())
    }
    assert named == {"settings.py"}


def test_whatever_is_stored_sealed_is_listed_for_resealing() -> None:
    kinds = {name for name, value in vars(encryption).items() if isinstance(value, encryption.Sealed)}
    assert {id(getattr(encryption, name)) for name in kinds} == {id(each) for each in encryption.STORED}
    used = {
        found
        for path in APP.rglob("*.py")
        for found in re.findall(r"encryption\.seal\(\s*[\w.]+,\s*([\w.]+)", path.read_text())
    }
    assert used <= {f"encryption.{name}" for name in kinds}


def test_a_short_previous_secret_is_refused_and_not_repeated() -> None:
    assert load({**filled(), "PORTAL_SECRET_PREVIOUS": ""}).keyring.previous == ""
    with pytest.raises(SettingsError, match="PORTAL_SECRET_PREVIOUS") as caught:
        load({**filled(), "PORTAL_SECRET_PREVIOUS": "hunter2"})
    assert "hunter2" not in str(caught.value)
