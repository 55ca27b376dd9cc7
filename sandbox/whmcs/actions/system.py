"""Actions on the installation itself, and CreateSsoToken."""

import re
import secrets
from typing import Any

from sandbox.whmcs.actions.call import Action, Call, escaped
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.install import CURRENCIES, RATES, page_of
from sandbox.whmcs.memberships import clients_of
from sandbox.whmcs.state import SsoToken

SSO_SECONDS = 60
HOME = "clientarea.php"
DESTINATIONS = {
    "clientarea:profile": "clientarea.php?action=details",
    "clientarea:billing_info": "index.php/account/paymentmethods",
    "clientarea:invoices": "clientarea.php?action=invoices",
    "clientarea:services": "clientarea.php?action=services",
    "clientarea:product_details": "clientarea.php?action=productdetails",
    "clientarea:tickets": "supporttickets.php",
    "clientarea:submit_ticket": "submitticket.php",
    "clientarea:shopping_cart": "cart.php",
}
CUSTOM = "sso:custom_redirect"
_RELATIVE = re.compile(r"(?!//)[\w./?=&%-]*")


def whmcs_details(call: Call) -> dict[str, Any]:
    """WhmcsDetails: the cheapest probe."""
    return {"whmcs": {"version": call.install.version.partition("-")[0], "canonicalversion": call.install.version}}


def get_configuration_value(call: Call) -> dict[str, Any]:
    """GetConfigurationValue."""
    setting = call.params.text("setting")
    known = {
        "systemurl": call.install.system_url + "/",
        "dateformat": "DD/MM/YYYY",
        "companyname": "Sandbox Telecom",
        "version": call.install.version,
        "taxtype": call.install.tax_type,
        "taxenabled": "on" if call.install.tax_enabled else "",
        **{name.lower(): value for name, value in call.install.automation.configuration.items()},
    }
    if setting.lower() not in known:
        raise Refused("Invalid name for parameter setting")
    return {"setting": setting, "value": known[setting.lower()]}


def get_automation_log(call: Call) -> dict[str, Any]:
    """GetAutomationLog: times are the server's, without a zone. A daily run that never was is an empty text."""
    today = call.clock.today().isoformat()
    first, last = call.params.text("startdate") or today, call.params.text("enddate") or today
    automation = call.install.automation
    return {
        "currentDatetime": call.now,
        "lastDailyCronInvocationTime": automation.ran_at(call.clock),
        "startdate": f"{first} 00:00:00",
        "enddate": f"{last} 23:59:59",
        "statistics": automation.statistics(first, last),
    }


def get_currencies(call: Call) -> dict[str, Any]:
    """GetCurrencies."""
    rows = [
        {"id": number, "code": code, "prefix": prefix, "suffix": suffix, "format": shape, "rate": f"{RATES[code]:f}"}
        for code, (number, prefix, suffix, shape) in CURRENCIES.items()
    ]
    return {"totalresults": len(rows), "currencies": {"currency": rows}}


def get_client_groups(call: Call) -> dict[str, Any]:
    """GetClientGroups."""
    rows = [
        {
            "id": each.id,
            "groupname": escaped(each.groupname),
            "groupcolour": each.groupcolour,
            "discountpercent": f"{each.discountpercent:.2f}",
            "susptermexempt": "on" if each.susptermexempt else "",
            "separateinvoices": "on" if each.separateinvoices else "",
        }
        for each in call.install.client_groups.values()
    ]
    return {"totalresults": len(rows), "groups": {"group": rows}}


def get_activity_log(call: Call) -> dict[str, Any]:
    """GetActivityLog: newest first."""
    client = call.params.number("clientid")
    words = call.params.text("description").lower()
    found = [
        each
        for each in reversed(call.install.activity)
        if client in (0, each.clientid) and words in each.description.lower()
    ]
    start, limit = call.params.window()
    total, rows = page_of(found, start, limit)
    entries = [
        {
            "id": each.id,
            "clientId": each.clientid,
            "userId": 0,
            "adminId": 1,
            "date": each.date,
            "description": each.description,
            "username": "API",
            "ipaddress": call.address,
            "userid": each.clientid,
        }
        for each in rows
    ]
    return {"totalresults": str(total), "startnumber": start, "activity": {"entry": entries}}


def create_sso_token(call: Call) -> dict[str, Any]:
    """CreateSsoToken: good once, for 60 seconds."""
    params, install = call.params, call.install
    client_id = _client_of(call)
    if not install.clients[client_id].allow_single_sign_on:
        raise Refused(f"SSO authentication blocked for client {client_id}")
    destination = params.text("destination")
    path = DESTINATIONS.get(destination, "" if destination else HOME)
    if destination == CUSTOM:
        path = params.text("sso_redirect_path").lstrip("/")
        if not path or not _RELATIVE.fullmatch(params.text("sso_redirect_path")):
            raise Refused("Token could not be provisioned: a relative sso_redirect_path is required")
    if not path:
        raise Refused("Invalid destination")
    now = call.clock.now().timestamp()
    install.tokens = {key: each for key, each in install.tokens.items() if each.expires_at > now}
    token = secrets.token_hex(20)
    install.tokens[token] = SsoToken(client_id, path, now + SSO_SECONDS)
    install.changed()
    url = f"{install.system_url}/oauth/singlesignon.php?access_token={token}"
    return {"access_token": token, "redirect_url": url}


def _client_of(call: Call) -> int:
    params, install = call.params, call.install
    if params.text("client_id"):
        if params.number("client_id") not in install.clients:
            raise Refused("Invalid client_id")
        return params.number("client_id")
    if not params.text("user_id"):
        raise Refused("A valid client_id or user_id is required")
    owned = [client.id for client, _ in clients_of(install, params.number("user_id"))]
    if not owned:
        raise Refused("Invalid user_id")
    return owned[0]


ACTIONS: dict[str, Action] = {
    "WhmcsDetails": whmcs_details,
    "GetConfigurationValue": get_configuration_value,
    "GetAutomationLog": get_automation_log,
    "GetCurrencies": get_currencies,
    "GetClientGroups": get_client_groups,
    "GetActivityLog": get_activity_log,
    "CreateSsoToken": create_sso_token,
}
