"""Checks of WHMCS, Freebit and WHM: reachable with our credentials, and set up as our settings say."""

from app.cli.doctor.finding import Finding, Trouble, checked
from app.errors import UpstreamAuthFailed
from app.integrations.admission.admission import Admission
from app.integrations.admission.breaker import describe
from app.integrations.freebit.client import FreebitClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient
from app.settings import Settings

WHM_PRIVILEGES = frozenset({"create-acct", "list-accts", "suspend-acct", "kill-acct", "upgrade-account"})
"""What the portal does in WHM. The names are not documented: a token that shows none of them is not judged."""


async def whmcs(settings: Settings) -> Finding:
    """Check that the API answers, and has the gateway that orders are placed with."""

    async def look() -> str:
        client = await WhmcsClient.open(settings)
        try:
            names = [record.record_id for record in await client.gateways()]
            await _check_get_users(client)
        finally:
            await client.close()
        if settings.whmcs_payment_method not in names:
            raise Trouble(
                f"no active gateway is called {settings.whmcs_payment_method}",
                f"Activate it in WHMCS, or set WHMCS_PAYMENT_METHOD to one of: {', '.join(names) or 'none is active'}.",
            )
        return f"{len(names)} payment gateways"

    advice = (
        "Check WHMCS_IDENTIFIER and WHMCS_SECRET, the actions of the API role (deploy/whmcs/README.md), and that WHMCS "
        "allows this machine's address."
    )
    return await checked("whmcs", "api", look, advice)


async def _check_get_users(client: WhmcsClient) -> None:
    """Check that the API role allows GetUsers; roles made for an earlier release do not."""
    try:
        await client.page("GetUsers", "users", "user", start=0, size=1)
    except UpstreamAuthFailed as error:
        raise Trouble(
            "the API role does not allow GetUsers: customers whose login is not their client's address cannot link",
            "Allow it in the API role (deploy/whmcs/README.md); WHMCS has it since 8.1.",
        ) from error


async def freebit(settings: Settings) -> Finding:
    """Check that Freebit issues an authentication key."""

    async def look() -> str:
        client = await FreebitClient.open(settings)
        try:
            await client.log_in()
        finally:
            await client.close()
        return "logged in"

    return await checked("freebit", "api", look, "Check FREEBIT_OEM_ID and FREEBIT_OEM_KEY.")


async def whm(settings: Settings) -> Finding:
    """Check that the API accepts our token, and that it may do what provisioning and following billing need."""

    async def look() -> str:
        client = await WhmClient.open(settings)
        try:
            version, granted = await client.version(), await client.privileges()
        finally:
            await client.close()
        lacking = sorted(WHM_PRIVILEGES - granted)
        if "all" not in granted and lacking and granted & WHM_PRIVILEGES:
            raise Trouble(
                f"the token seems to lack {', '.join(lacking)}",
                "Grant them to the API token in WHM (Manage API Tokens), and to the reseller if it is one.",
            )
        return f"WHM {version}"

    return await checked("whm", "api", look, "Check WHM_USER and WHM_TOKEN; the token may have expired.")


async def breakers(settings: Settings) -> Finding:
    """Check that every upstream's circuit breaker is closed."""

    async def look() -> str:
        admission = await Admission.open(settings)
        try:
            sentences = [*filter(None, map(describe, admission.availabilities()))]
        finally:
            await admission.close()
        if sentences:
            raise Trouble(" ".join(sentences), "They are probed automatically; correct refused credentials.")
        return "calls go through to every upstream"

    return await checked("upstreams", "breakers", look, "Run `portal lag` for details.")
