"""Checks of prices: the price book against WHMCS's own prices, and the tax rates against what WHMCS bills."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial

from app.cli.doctor.finding import Finding, NotTried, Trouble, checked
from app.cli.doctor.salesforce import fetch_records
from app.clock import now
from app.db import open_pool
from app.errors import UpstreamAuthFailed, UpstreamError
from app.events import Record
from app.integrations.salesforce.client import SalesforceClient, quote
from app.integrations.whmcs.catalog import products as whmcs_products
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.records import WhmcsRecord, change
from app.projections.parts.price_drift import comparisons, own_by_currency
from app.projections.prices import rows_of
from app.readmodels.pricing.tax import EVERY_OTHER, tax_rates
from app.settings import Settings

AREA = "prices"
MOST_NAMED = 10
RECENT_INVOICES = 2_000
ADVICE = (
    "Correct the price in WHMCS (Products/Services, Pricing) or in the price book. Until then customers are billed the "
    "price book's price, and changes of plan are prorated at WHMCS's."
)
ROLE = "Allow GetProducts and GetConfigurationValue in the API role (deploy/whmcs/README.md)."
TAX_ADVICE = "Set TAX_RATES to the rates of WHMCS's tax rules (Configuration, Tax Configuration)."

_BILLED = """
SELECT p.country, i.data ->> 'taxrate' AS rate, i.data ->> 'taxrate2' AS second, i.record_id
FROM (SELECT record_id, owner_id, data FROM mirror.records WHERE source = 'whmcs' AND object = 'invoice' AND NOT deleted
      ORDER BY occurred_at DESC LIMIT $1) AS i
JOIN portal.id_mappings m ON m.whmcs_client_id = i.owner_id
JOIN read_model.profiles p ON p.account_id = m.account_id AND p.tax_exempt IS FALSE
ORDER BY i.record_id
"""


async def prices(settings: Settings) -> list[Finding]:
    """Run the checks of prices and tax."""
    client = await WhmcsClient.open(settings)
    try:
        return [
            await checked(AREA, "price book and WHMCS", partial(_drift, client, settings), ADVICE),
            await checked(AREA, "tax", partial(_tax, client, settings), TAX_ADVICE),
        ]
    finally:
        await client.close()


async def _drift(client: WhmcsClient, settings: Settings) -> str:
    """Compare every price, by currency and billing cycle."""
    products, entries = await _booked(settings)
    try:
        listed = await whmcs_products.products(client)
    except UpstreamAuthFailed as error:
        raise Trouble("the API role does not allow GetProducts, so no price is known", ROLE) from error
    own = own_by_currency([row for each in listed for row in rows_of(_record(each))])
    compared = list(
        comparisons(
            products,
            entries,
            own,
            pricebook_id=settings.salesforce_pricebook_id,
            currency=settings.salesforce_currency,
        )
    )
    found = [str(each) for each in compared if each.differs]
    if found:
        more = f" And {len(found) - MOST_NAMED} more." if len(found) > MOST_NAMED else ""
        raise Trouble(" ".join(found[:MOST_NAMED]) + more, ADVICE)
    return f"{len(compared)} prices agree"


async def _booked(settings: Settings) -> tuple[list[Record], list[Record]]:
    client = await SalesforceClient.open(settings)
    try:
        entries = quote("IsActive = true AND Pricebook2Id = {}", settings.salesforce_pricebook_id)
        return (
            await fetch_records(client, "Product2", "IsActive = true AND Portal_Catalog__c = true"),
            await fetch_records(client, "PricebookEntry", entries),
        )
    except UpstreamError as error:
        raise NotTried("skipped until Salesforce can be asked for the prices") from error
    finally:
        await client.close()


def _record(row: WhmcsRecord) -> Record:
    read = change(row, origin="refetch", read_at=now())
    return Record(
        source=read.source,
        object=read.object,
        record_id=read.record_id,
        version=read.version,
        occurred_at=read.occurred_at,
        verified_at=read.occurred_at,
        data=read.data,
    )


async def _tax(client: WhmcsClient, settings: Settings) -> str:
    """Check WHMCS's tax settings, and that recent invoices have the rates that the portal shows."""
    [found] = await whmcs_products.tax_settings(client)
    enabled, kind = found.data["enabled"], found.data["type"]
    if enabled is None or kind is None:
        raise Trouble("WHMCS does not say how it treats tax, so no price is shown with it", ROLE)
    if enabled and kind != "exclusive":
        advice = "The price book's prices exclude tax: set WHMCS's tax type to Exclusive."
        raise Trouble(f"WHMCS's tax type is {kind}, so prices are billed as if they contained the tax", advice)
    rates = tax_rates(settings.tax_rates)
    if enabled and not rates:
        raise Trouble("WHMCS taxes, and TAX_RATES is empty, so no price is shown with tax", TAX_ADVICE)
    if enabled and (wrong := await _billed_otherwise(settings, rates)):
        raise Trouble("; ".join(wrong), TAX_ADVICE)
    shown = ", ".join(f"{country} {rate.normalize():f} %" for country, rate in rates.items())
    return f"{kind}: {shown}" if enabled else "WHMCS charges no tax"


async def _billed_otherwise(settings: Settings, rates: Mapping[str, Decimal]) -> list[str]:
    """Compare the newest invoice of each country with the rate of that country."""
    pool = await open_pool(settings.database_url, only_reads=True)
    try:
        newest = {row["country"]: row for row in await pool.fetch(_BILLED, RECENT_INVOICES)}
    finally:
        await pool.close()
    wrong = []
    for country, row in sorted(newest.items()):
        shown = rates.get((country or "").upper(), rates.get(EVERY_OTHER))
        billed = Decimal(row["rate"] or 0) + Decimal(row["second"] or 0)
        if shown is not None and billed != shown:
            wrong.append(f"invoice {row['record_id']} ({country}) has {billed:f} % tax, and TAX_RATES says {shown:f} %")
    return wrong
