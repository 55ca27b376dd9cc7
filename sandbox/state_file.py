"""What an outside program must know to use the sandbox, as JSON."""

import json
from pathlib import Path
from typing import Any

from sandbox.salesforce.ids import make_id
from sandbox.salesforce.org import USERNAME
from sandbox.salesforce.seed import PORTAL_PRICEBOOK_ID
from sandbox.seed.people import Person, people
from sandbox.serve import Ports
from sandbox.tls import Certificates
from sandbox.whmcs.seed import FIRST_CLIENT
from sandbox.world import World


def write(path: Path, world: World, ports: Ports, files: Certificates) -> None:
    """Write the file whole or not at all: its presence says that the sandbox is ready."""
    org = world.salesforce
    https = {
        name: f"https://localhost:{ports.get(f'{name}-https')}" for name in ("salesforce", "whmcs", "freebit", "whm")
    }
    state = {
        "control_url": f"http://127.0.0.1:{ports.get('control')}",
        "ca_file": str(files.ca_file),
        "salesforce": {
            "url": https["salesforce"],
            "http_url": f"http://127.0.0.1:{ports.get('salesforce-http')}",
            "pubsub": f"localhost:{ports.get('pubsub-tls')}",
            "pubsub_plain": f"127.0.0.1:{ports.get('pubsub-plain')}",
            "token_url": f"{https['salesforce']}/services/oauth2/token",
            "client_id": org.app.client_id,
            "client_secret": org.app.client_secret,
            "private_key_file": str(world.private_key),
            "username": USERNAME,
            "pricebook_id": PORTAL_PRICEBOOK_ID,
        },
        "whmcs": {
            "url": https["whmcs"],
            "identifier": world.whmcs.identifier,
            "secret": world.whmcs.secret,
            "webhook_secret": world.whmcs.webhook_secret,
        },
        "freebit": {"url": https["freebit"], "oem_id": world.freebit.oem_id, "oem_key": world.freebit.oem_key},
        "whm": {"url": https["whm"], "user": world.whm.user, "token": world.whm.token},
        "customers": [_customer(person) for person in people(world.customers)],
    }
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(state, indent=2))
    fresh.replace(path)


def _customer(person: Person) -> dict[str, Any]:
    return {
        "customer_number": person.customer_number,
        "email": person.email,
        "password": person.password,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "phone": person.phone,
        "address": {
            "address1": person.address1,
            "city": person.city,
            "state": person.state,
            "postcode": person.postcode,
            "country": person.country,
        },
        "whmcs_client_id": str(FIRST_CLIENT + person.number) if person.has_whmcs else None,
        "salesforce_account_id": make_id("001", person.number),
        "has_payment_method": person.has_card,
    }
