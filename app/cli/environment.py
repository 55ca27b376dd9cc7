"""The environment of the portal's processes when they talk to the sandbox."""

from collections.abc import Mapping
from typing import Any


def of_sandbox(state: Mapping[str, Any]) -> dict[str, str]:
    """Settings that the sandbox's state file answers."""
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
        "FREEBIT_URL": freebit["url"],
        "FREEBIT_OEM_ID": freebit["oem_id"],
        "FREEBIT_OEM_KEY": freebit["oem_key"],
        "WHM_URL": whm["url"],
        "WHM_USER": whm["user"],
        "WHM_TOKEN": whm["token"],
        # The stand-ins work in seconds what the real ones do in minutes, and the demo measures by asking all the time.
        "FREEBIT_POLL_SECONDS": "0.5",
        "PUBLIC_RATE_PER_MINUTE": "6000",
        "ACCOUNT_RATE_PER_MINUTE": "60000",
        "AUTH_RATE_PER_MINUTE": "600",
    }
