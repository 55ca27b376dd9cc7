"""What is set up after activation: whether the templates can be read, and whether products name one that there is."""

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
    """Every file is understood, and every template that an active product names is there."""

    async def look() -> str:
        try:
            known = provision_templates.load(settings.provision_templates)
        except SettingsError as error:
            raise Trouble(str(error), "Mend the file; until then `portal worker` does not start.") from error
        for sku, name in await _named(settings):
            if name not in known:
                advice = f"Correct Product2.Provision_Template__c, or add a template. There are: {', '.join(known)}."
                raise Trouble(f"{sku} names the template {name}, which there is not", advice)
        return f"{len(known)} templates: {', '.join(known)}"

    return await checked(AREA, "templates", look, "docs/fulfilment.md says how a template is written.")


async def _named(settings: Settings) -> list[tuple[str, str]]:
    client = await SalesforceClient.open(settings)
    try:
        rows = await client.query(_NAMED)
    except UpstreamError as error:
        raise NotTried("not before Salesforce can be asked what products name") from error
    finally:
        await client.close()
    return [(str(row["StockKeepingUnit"]), str(row["Provision_Template__c"])) for row in rows]
