"""The environment of the portal's processes with the sandbox."""

from collections.abc import Mapping
from typing import Any

# The stand-ins do in seconds what the real upstreams do in minutes, and the demo measures by polling.
PACE = {
    "FREEBIT_POLL_SECONDS": "0.5",
    "PUBLIC_RATE_PER_MINUTE": "6000",
    "ACCOUNT_RATE_PER_MINUTE": "60000",
    "AUTH_RATE_PER_MINUTE": "600",
    "PAYMENT_RATE_PER_MINUTE": "600",
}


def beside_sandbox(state: Mapping[str, Any], own: Mapping[str, str], *, strict: bool = False) -> dict[str, str]:
    """Combine our environment with the sandbox's settings: real upstreams in it must never be called by mistake."""
    upstreams = of_sandbox(state, strict=strict)
    kept = {name: value for name, value in own.items() if name.removesuffix("_FILE") not in upstreams}
    direct = ",".join(filter(None, (own.get("NO_PROXY") or own.get("no_proxy"), "localhost", "127.0.0.1")))
    return {
        **upstreams,
        **kept,
        **{name: own[name] for name in PACE if name in own},
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def of_sandbox(state: Mapping[str, Any], *, strict: bool = False) -> dict[str, str]:
    """Return the settings that the sandbox's state file supplies, with the limits of an installation if `strict`."""
    salesforce, whmcs, freebit, whm = (state[name] for name in ("salesforce", "whmcs", "freebit", "whm"))
    return {
        "CA_FILE": state["ca_file"],
        "SALESFORCE_URL": salesforce["url"],
        "SALESFORCE_TOKEN_URL": salesforce["token_url"],
        "SALESFORCE_CLIENT_ID": salesforce["client_id"],
        "SALESFORCE_USERNAME": salesforce["username"],
        "SALESFORCE_PRIVATE_KEY_FILE": salesforce["private_key_file"],
        "SALESFORCE_PUBSUB": salesforce["pubsub"],
        "SALESFORCE_PRICEBOOK_ID": salesforce["pricebook_id"],
        "WHMCS_URL": whmcs["url"],
        "WHMCS_IDENTIFIER": whmcs["identifier"],
        "WHMCS_SECRET": whmcs["secret"],
        "WHMCS_WEBHOOK_SECRETS": whmcs["webhook_secret"],
        "WHMCS_DATE_FORMAT": "DD/MM/YYYY",
        "WHMCS_DEFAULT_PAY_METHOD": "first",
        "WHMCS_GATEWAY_LOG": "true",
        "FREEBIT_URL": freebit["url"],
        "FREEBIT_OEM_ID": freebit["oem_id"],
        "FREEBIT_OEM_KEY": freebit["oem_key"],
        "WHM_URL": whm["url"],
        "WHM_USER": whm["user"],
        "WHM_TOKEN": whm["token"],
        "TAX_RATES": "JP=10",
        "SMTP_HOST": state["smtp"]["host"],
        "SMTP_PORT": str(state["smtp"]["port"]),
        "SMTP_SECURITY": "none",
        **state.get("canaries", {}),
        **({} if strict else PACE),
    }
