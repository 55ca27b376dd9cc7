"""The details of a SIM, which the mobile network refuses when they are incomplete: EID and number transfer (MNP)."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from app.errors import Violation
from app.inputs.numbers import is_digits
from app.intake import parse
from app.words.sentence import say

EID_DIGITS = 32
TRANSFER_TEXTS = {
    "reservation_number": say("ordering.reservation_number"),
    "expires_on": say("ordering.reservation_expires"),
    "phone_number": say("ordering.number_to_transfer"),
    "last_name": say("ordering.holder_last_name"),
    "first_name": say("ordering.holder_first_name"),
    "last_name_kana": say("ordering.last_name_kana"),
    "first_name_kana": say("ordering.first_name_kana"),
    "gender": say("ordering.holder_gender"),
    "birthday": say("ordering.holder_birthday"),
}
_KATAKANA = re.compile(r"[゠-ヿ\s]+")


def wrong_eid(eid: str | None) -> Iterator[Violation]:
    """Yield a violation if this is not the EID of a phone."""
    if not is_digits(eid or "", EID_DIGITS):
        yield Violation("configuration.eid", "eid_required", say("ordering.eid_required"))


def wrong_transfer(transfer: Mapping[str, Any], today: date) -> Iterator[Violation]:
    """Yield a violation for each detail that is missing or wrong; days may be dates or texts."""
    given = {name: transfer[name] or "" for name in TRANSFER_TEXTS}
    expires_on, birthday = parse.day(given["expires_on"]), parse.day(given["birthday"])
    held = {
        "reservation_number": is_digits(given["reservation_number"], 10),
        "expires_on": expires_on is not None and expires_on >= today,
        "phone_number": is_digits(given["phone_number"], 11, 14),
        "last_name": bool(given["last_name"].strip()),
        "first_name": bool(given["first_name"].strip()),
        "last_name_kana": bool(_KATAKANA.fullmatch(given["last_name_kana"])),
        "first_name_kana": bool(_KATAKANA.fullmatch(given["first_name_kana"])),
        "gender": bool(given["gender"]),
        "birthday": birthday is not None and birthday < today,
    }
    for name, is_fine in held.items():
        if not is_fine:
            yield Violation(f"configuration.mnp.{name}", "mnp_details_required", TRANSFER_TEXTS[name])
