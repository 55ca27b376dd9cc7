"""Checks of provisioning templates: readable, and present for every product that names one."""

from app.cli.doctor.finding import Finding, NotTried, Trouble, checked
from app.commands.fulfilment.provision import templates as provision_templates
from app.errors import UpstreamError
from app.integrations.salesforce.client import SalesforceClient
from app.settings import Settings, SettingsError

AREA = "provisioning"
_NAMED = (
    "SELECT StockKeepingUnit, Provision_Template__c FROM Product2 "
    "WHERE IsActive = true AND Provision_Template__c != null"
)


async def templates(settings: Settings) -> Finding:
    """Check that every file can be read, and that every template named by an active product exists."""

    async def look() -> str:
        try:
            known = provision_templates.load(settings.provision_templates)
        except SettingsError as error:
            raise Trouble(str(error), "Correct the file; until then `portal worker` does not start.") from error
        for sku, name in await _named(settings):
            if name not in known:
                advice = f"Correct Product2.Provision_Template__c, or add the template. Known are: {', '.join(known)}."
                raise Trouble(f"{sku} names the template {name}, which does not exist", advice)
        return f"{len(known)} templates: {', '.join(known)}"

    return await checked(AREA, "templates", look, "See docs/fulfilment.md for the format of templates.")


async def _named(settings: Settings) -> list[tuple[str, str]]:
    client = await SalesforceClient.open(settings)
    try:
        rows = await client.query(_NAMED)
    except UpstreamError as error:
        raise NotTried("skipped until Salesforce can be asked for the products") from error
    finally:
        await client.close()
    return [(str(row["StockKeepingUnit"]), str(row["Provision_Template__c"])) for row in rows]
