"""The state file: what an outside program needs to drive the sandbox, as JSON. It appears when everything listens."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.salesforce.org.ids import make_id
from sandbox.salesforce.org.seed import PORTAL_PRICEBOOK_ID
from sandbox.seed.people import Person
from sandbox.world import World


def describe(world: World, ports: dict[str, int], *, ca_file: Path, private_key: Path) -> dict[str, Any]:
    """Addresses and credentials. `ports` are by upstream, `_http` for the plain ones."""
    org, access = world.salesforce.app, world.whmcs.access
    salesforce = f"https://localhost:{ports['salesforce']}"
    return {
        "control_url": f"http://127.0.0.1:{ports['control']}",
        "ca_file": str(ca_file),
        "salesforce": {
            "url": salesforce,
            "http_url": f"http://127.0.0.1:{ports['salesforce_http']}",
            "pubsub": f"localhost:{ports['pubsub']}",
            "pubsub_plain": f"127.0.0.1:{ports['pubsub_plain']}",
            "token_url": f"{salesforce}/services/oauth2/token",
            "client_id": org.client_id,
            "client_secret": org.client_secret,
            "private_key_file": str(private_key),
            "username": org.username,
            "pricebook_id": PORTAL_PRICEBOOK_ID,
        },
        "whmcs": {
            "url": f"https://localhost:{ports['whmcs']}",
            "http_url": f"http://127.0.0.1:{ports['whmcs_http']}",
            "identifier": access.identifier,
            "secret": access.secret,
            "webhook_secret": world.whmcs.webhook_secret,
        },
        "freebit": {
            "url": f"https://localhost:{ports['freebit']}",
            "http_url": f"http://127.0.0.1:{ports['freebit_http']}",
            "oem_id": world.freebit.oem_id,
            "oem_key": world.freebit.oem_key,
        },
        "whm": {
            "url": f"https://localhost:{ports['whm']}",
            "http_url": f"http://127.0.0.1:{ports['whm_http']}",
            "user": world.whm.user,
            "token": world.whm.token,
        },
        "smtp": {"host": "127.0.0.1", "port": ports["smtp"]},
        "customers": customers(world.people),
    }


def customers(people: Sequence[Person]) -> list[dict[str, Any]]:
    """Return the sample customers. Ids are text; `whmcs_client_id` is null for those who can sign up."""
    return [_customer(person) for person in people]


def _customer(person: Person) -> dict[str, Any]:
    names = ("customer_number", "email", "password", "first_name", "last_name", "phone")
    place = ("address1", "city", "state", "postcode", "country")
    return {
        **{name: getattr(person, name) for name in names},
        "address": {name: getattr(person, name) for name in place},
        "whmcs_client_id": str(person.whmcs_client_id) if person.has_whmcs else None,
        "salesforce_account_id": make_id("001", person.number),
        "has_payment_method": person.has_card,
    }


def write(path: Path, state: dict[str, Any]) -> None:
    """Write the file atomically, readable by its owner alone, because it holds credentials."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(state, indent=1, ensure_ascii=False))
    os.replace(temporary, path)
