"""Actions on the install itself, and single sign-on."""

import secrets
from datetime import timedelta
from typing import Any

from sandbox.whmcs.errors import ApiError
from sandbox.whmcs.install import Install

SSO_SECONDS = 60
DESTINATIONS = {
    "clientarea:profile": "clientarea.php?action=details",
    "clientarea:billing_info": "index.php/account/paymentmethods",
    "clientarea:services": "clientarea.php?action=services",
    "clientarea:invoices": "clientarea.php?action=invoices",
}


def create_sso_token(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """CreateSsoToken: single use, one minute."""
    install: Install = world.whmcs
    raw = str(params.get("client_id", ""))
    if not raw:
        raise ApiError("A valid client_id or user_id is required")
    client = install.clients.get(int(raw)) if raw.isdigit() else None
    if client is None:
        raise ApiError("Invalid client_id")
    if not client.allow_sso:
        raise ApiError(f"SSO authentication blocked for client {client.id}")
    destination = str(params.get("destination", ""))
    if destination == "sso:custom_redirect":
        path = str(params.get("sso_redirect_path", ""))
    elif destination in DESTINATIONS or not destination:
        path = DESTINATIONS.get(destination, "clientarea.php")
    else:
        raise ApiError("Invalid destination")
    token = secrets.token_hex(20)
    install.sso_tokens[token] = (client.id, path.lstrip("/"), world.clock.now() + timedelta(seconds=SSO_SECONDS))
    return {"access_token": token, "redirect_url": f"{world.whmcs_url}/oauth/singlesignon.php?access_token={token}"}


def details(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """WhmcsDetails."""
    return {"whmcs": {"version": "8.13.1", "canonicalversion": "8.13.1-release.1"}}


def configuration(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetConfigurationValue."""
    known = {"SystemURL": world.whmcs_url, "DateFormat": "DD/MM/YYYY"}
    setting = str(params.get("setting", ""))
    return {"setting": setting, "value": known.get(setting, "")}


def currencies(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetCurrencies."""
    yen = {"id": "1", "code": "JPY", "prefix": "¥", "suffix": "", "format": "4", "rate": "1.00000"}
    return {"totalresults": 1, "currencies": {"currency": [yen]}}


ACTIONS = {
    "createssotoken": create_sso_token,
    "whmcsdetails": details,
    "getconfigurationvalue": configuration,
    "getcurrencies": currencies,
}
