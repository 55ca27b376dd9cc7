"""Checks of the Salesforce org: login, every object and field that the portal needs, the price book, and the feeds."""

import asyncio
from datetime import UTC, datetime
from functools import partial

from app.cli.doctor.finding import Finding, NotTried, Trouble, checked
from app.errors import UpstreamNotFound, UpstreamRejected
from app.events import Record
from app.integrations.salesforce.client import SalesforceClient, quote
from app.integrations.salesforce.events.pubsub import PubSubClient
from app.integrations.salesforce.org.lacks import PERMISSION_SET, lacks
from app.integrations.salesforce.org.needs import NEEDS, Need
from app.integrations.salesforce.records import mirrored
from app.integrations.salesforce.wire import FIELDS
from app.projections.catalog import doubts
from app.settings import Settings

AREA = "salesforce"
GUIDE = "deploy/salesforce/README.md"
MOST_NAMED = 10
LOGIN = (
    f"Check SALESFORCE_CLIENT_ID, SALESFORCE_USERNAME and SALESFORCE_PRIVATE_KEY_FILE, that the app holds the key's "
    f"certificate, and that the user is pre-authorized for the app ({GUIDE}, step 3)."
)


async def salesforce(settings: Settings) -> list[Finding]:
    """Run all checks of the org. Without a login there are no others."""
    client = await SalesforceClient.open(settings)
    pubsub = await PubSubClient.open(settings, client)
    try:
        login = await checked(AREA, "login", partial(_login, client, settings), LOGIN)
        if login.status != "ok":
            return [login]
        objects = [checked(AREA, name, partial(_object, client, name, NEEDS[name]), GUIDE) for name in NEEDS]
        topics = [
            checked(AREA, topic, partial(_topic, pubsub, topic), f"{GUIDE}, steps 3 and 4")
            for topic in (settings.salesforce_channel, settings.salesforce_eligibility_topic)
        ]
        prices = checked(AREA, "price book", partial(_prices, client, settings), GUIDE)
        sold = checked(
            AREA, "products", partial(_products, client, settings), "See docs/operations.md for what can be sold."
        )
        canary = checked(AREA, "change event canary", partial(_canary, client, settings), GUIDE)
        return [login, *await asyncio.gather(*objects, prices, sold, *topics, canary)]
    finally:
        await pubsub.close()
        await client.close()


async def _login(client: SalesforceClient, settings: Settings) -> str:
    return f"{settings.salesforce_username} in {(await client.token()).org_id}"


async def _object(client: SalesforceClient, name: str, need: Need) -> str:
    try:
        described = await client.describe(name)
    except UpstreamNotFound as error:
        advice = f"Deploy it from deploy/salesforce and assign the permission set {PERMISSION_SET}."
        raise Trouble("absent, or hidden from the integration user", advice) from error
    found = list(lacks(name, need, described))
    if found:
        raise Trouble("; ".join(each.text for each in found), " ".join(each.advice for each in found))
    return f"{len(need.fields)} fields"


async def _prices(client: SalesforceClient, settings: Settings) -> str:
    soql = quote(
        "SELECT Id FROM PricebookEntry WHERE Pricebook2Id = {} AND IsActive = true", settings.salesforce_pricebook_id
    )
    count = len(await client.query(soql))
    if count == 0:
        raise Trouble(
            "no active price in the portal's price book",
            "Set SALESFORCE_PRICEBOOK_ID to the price book that holds what the portal sells, and activate its entries.",
        )
    return f"{count} active prices"


async def _products(client: SalesforceClient, settings: Settings) -> str:
    """Check that every product meant for the portal can be sold, and has one price."""
    products = await fetch_records(client, "Product2", "IsActive = true AND Portal_Catalog__c = true")
    entries = await fetch_records(
        client,
        "PricebookEntry",
        quote("IsActive = true AND Pricebook2Id = {}", settings.salesforce_pricebook_id),
    )
    found = list(doubts(products, entries, currency=settings.salesforce_currency))
    if found:
        more = f" And {len(found) - MOST_NAMED} more." if len(found) > MOST_NAMED else ""
        raise Trouble(
            " ".join(found[:MOST_NAMED]) + more,
            "Correct the products and their prices; until then they cannot be ordered.",
        )
    return f"{len(products)} products"


async def fetch_records(client: SalesforceClient, name: str, where: str) -> list[Record]:
    """Read records as the mirror holds them."""
    rows = await client.query(f"SELECT {', '.join(FIELDS[name])} FROM {name} WHERE {where}")
    at = datetime.now(UTC)
    return [
        Record(
            source="salesforce",
            object=name,
            record_id=row["Id"],
            version=0,
            occurred_at=at,
            verified_at=at,
            data=mirrored(name, row),
        )
        for row in rows
    ]


async def _topic(pubsub: PubSubClient, topic: str) -> str:
    try:
        allowed = await pubsub.may_subscribe(topic)
    except UpstreamRejected as error:
        raise Trouble("there is no such topic", f"Deploy it from deploy/salesforce ({GUIDE}, step 4).") from error
    if not allowed:
        raise Trouble("the integration user may not subscribe to it", f"{GUIDE}, step 3, “Records”.")
    return "subscription allowed"


async def _canary(client: SalesforceClient, settings: Settings) -> str:
    account_id = settings.salesforce_canary_account_id
    if not account_id:
        raise NotTried(
            "off: a live change feed that delivers nothing goes unnoticed. Create an account without an owner and set "
            f"SALESFORCE_CANARY_ACCOUNT_ID to its id ({GUIDE})."
        )
    if not await client.query(quote("SELECT Id FROM Account WHERE Id = {}", account_id)):
        advice = "Set SALESFORCE_CANARY_ACCOUNT_ID to an existing account without an owner."
        raise Trouble(f"there is no account {account_id}", advice)
    return f"account {account_id}, every {settings.canary_seconds:.0f} s"
