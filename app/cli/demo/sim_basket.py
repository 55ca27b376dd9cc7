"""The journey's first order: a SIM plan for an eSIM, with a number of another carrier."""

import secrets
from datetime import date, timedelta
from typing import Any

SKUS = ("SIM-VOICE-10GB", "SIM-ACTIVATION-FEE")
NUMBER_TRANSFER = {
    "reservation_number": "1234567890",
    "last_name": "Sato",
    "first_name": "Hana",
    "last_name_kana": "サトウ",
    "first_name_kana": "ハナ",
    "gender": "female",
    "birthday": "1990-04-01",
}
RESERVATION_DAYS = 10


def sim_basket() -> dict[str, Any]:
    """Compose a body of `POST /api/orders` with a unique EID and phone number."""
    expires_on = (date.today() + timedelta(days=RESERVATION_DAYS)).isoformat()
    transfer = {**NUMBER_TRANSFER, "phone_number": f"090{_digits(8)}", "expires_on": expires_on}
    configuration = {"sim_type": "esim", "eid": _digits(32), "mnp": transfer}
    return {"items": [{"sku": sku} for sku in SKUS], "configuration": configuration}


def _digits(count: int) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(count))
