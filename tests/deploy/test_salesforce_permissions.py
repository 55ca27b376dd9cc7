"""An org with the fields of `deploy/salesforce` and nothing else custom, and a user with its permission set and nothing
else, serves every call the portal makes."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from app.errors import UpstreamRejected
from app.ingest.refetch.salesforce_window import changed_since, deleted_since
from app.integrations.salesforce import activation, eligibility, orders, wire
from app.integrations.salesforce.cases import SalesforceCases
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.org.needs import NEEDS
from sandbox.salesforce.schema.fields import Field, SObject
from tests.deploy import metadata
from tests.deploy.metadata import every, field_permissions, fields_by_object, flat, permission_set
from tests.fixtures.salesforce_stand_in import PRICEBOOK_ID, StandIn, account_id
from tests.integrations.salesforce.conftest import settings_of

CHOICES = orders.Choices(
    access_mode="IPoE own router",
    installation_type="12-Month",
    weekend_install=True,
    plan_tier="Gold",
    vpn_region="Global",
    sim_type="eSIM",
    eid="8" * 32,
    voice_mail=True,
    call_waiting=True,
    domain="example.jp",
    promo_code="SPRING",
)
PORTING = orders.Porting(
    reservation_number="1234567890",
    expires_on="2030-01-31",
    phone_number="09012345678",
    last_name="山田",
    first_name="花",
    last_name_kana="ヤマダ",
    first_name_kana="ハナ",
    gender="Female",
    birthday="1990-02-03",
)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def as_granted(sobject: SObject) -> SObject:
    """Return the object as the integration user of a freshly installed org sees it."""
    installed, granted = fields_by_object().get(sobject.name, {}), field_permissions()
    objects = {each["object"]: each for each in map(flat, every(permission_set(), "objectPermissions"))}
    own = objects.get(metadata.GOVERNED_BY.get(sobject.name, sobject.name))
    if sobject.name == "User":
        return sobject  # whoever may log in sees who the others are
    if own is None:
        return replace(sobject, fields=())
    may_write = "true" in (own["allowCreate"], own["allowEdit"])

    def seen() -> Iterator[Field]:
        for each in sobject.fields:
            if each.custom and each.name not in installed:
                continue
            full = metadata.secured(sobject.name, each.name)
            if full and full not in granted:
                continue
            yield replace(
                each,
                writable=each.writable and may_write and (full is None or granted[full]),
                create_only=each.create_only or own["allowEdit"] == "false",
            )

    return replace(sobject, fields=tuple(seen()))


@pytest_asyncio.fixture
async def client(salesforce: StandIn) -> AsyncIterator[SalesforceClient]:
    before = dict(salesforce.org.objects)
    salesforce.org.objects = {name: as_granted(each) for name, each in before.items()}
    made = await SalesforceClient.open(settings_of(salesforce))
    yield made
    await made.close()
    salesforce.org.objects = before


async def test_an_order_lives_its_whole_life(salesforce, client):
    account = account_id(3)
    entry = salesforce.entry("INTERNET-GOLD-HOME-1G")
    new = orders.NewOrder(
        key="key-of-the-least-privileged",
        account_id=account,
        pricebook_id=PRICEBOOK_ID,
        effective_on=date(2030, 1, 1),
        order_type="Internet",
        address=orders.Snapshot(street="1", city="Minato", state="Tokyo", postcode="105-0011", country="JP"),
        address_changed=True,
        choices=CHOICES,
        instant=True,
        porting=PORTING,
        items=[orders.NewItem(pricebook_entry_id=entry, quantity=1, unit_price=Decimal(6000))],
    )
    order_id = await orders.create(client, new)
    assert await orders.find(client, new.key) == order_id
    assert order_id in [each.order_id for each in await orders.open_orders(client, account)]
    assert (await orders.prices(client, [entry]))[entry].orderable
    order, (item,) = await orders.mirrored(client, order_id)
    assert order["Portal_Order_Key__c"] == new.key
    live = await activation.live(client, order_id)
    assert (live.porting, live.domain, live.eid) == (PORTING, "example.jp", "8" * 32)
    assert await activation.assigned_sim(client, order_id) is None
    await activation.begin_activation(client, order_id)
    await activation.report_error(client, order_id, "PAYMENT_METHOD_MISSING", "None on file.", at=NOW, failed=True)
    await activation.complete(client, order_id, "77", {item["Id"]: "88"}, at=NOW)
    await activation.cancelled(client, order_id, "Asked for by phone.", at=NOW)
    order, (item,) = await orders.mirrored(client, order_id)
    assert (order["Status"], order["WHMCS_Order_ID__c"], item["WHMCS_Service_ID__c"]) == ("Cancelled", "77", "88")


async def test_an_account_is_found_updated_and_erased(client):
    account = await client.get("Account", account_id(4))
    assert await client.account_by_customer_number(account[wire.ACCOUNT_NUMBER])
    writes = dict.fromkeys(NEEDS["Account"].writes) | {"Name": "Erased customer", wire.ACCOUNT_PORTAL_STATUS: "Not Yet"}
    await client.update("Account", account["Id"], writes)
    assert await client.merged_into("Account", account["Id"]) is None


async def test_cases_and_availability_checks_are_opened(client):
    cases = SalesforceCases(client)
    case_id = await cases.opened(account_id(5), "key", "No line", "Since this morning.", "High")
    assert await cases.by_key("key") == case_id
    await cases.commented(case_id, "Still none.")
    await cases.attached(case_id, "photo.png", b"pixels")
    assert await cases.same_file(case_id, b"pixels")
    found = await cases.one(account_id(5), case_id)
    assert found is not None
    assert [each["CommentBody"] for each in found["CaseComments"]] == ["Still none."]
    version_id = found["Files"][0]["ContentDocument"]["LatestPublishedVersionId"]
    assert await cases.content(version_id) == b"pixels"
    assert [each["Id"] for each in await cases.listed(account_id(5), limit=5)] == [case_id]
    await eligibility.request_check(client, account_id(5), "1-2-3 Minato", date(2030, 1, 1))
    check = await eligibility.read_check(client, account_id(5))
    assert (check.status, check.address) == (eligibility.PENDING, "1-2-3 Minato")


@pytest.mark.parametrize("name", sorted(wire.FIELDS))
async def test_everything_mirrored_can_be_read(client, name):
    cases = SalesforceCases(client)
    await cases.commented(await cases.opened(account_id(5), f"key {name}", "No line", "None.", "High"), "Still none.")
    assert await client.count(name) > 0
    pages = [page async for page in changed_since(client, name, datetime.now(UTC) - timedelta(days=3650))]
    assert sum(map(len, pages)) > 0
    assert [page async for page in deleted_since(client, name, NOW)] in ([], [[]])


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("Account", "Internet_Eligibility__c", "Home 1G"),
        ("Product2", "Portal_Catalog__c", False),
        ("Product2", "Name", "Cheaper"),
        ("Case", "Subject", "Another"),
    ],
)
async def test_what_is_staffs_stays_staffs(salesforce, client, name, field, value):
    record_id = next(iter(salesforce.org.tables[name]), None) or await SalesforceCases(client).opened(
        account_id(6), "my key", "Mine", "It is.", "Low"
    )
    call: Any = client.update(name, record_id, {field: value})
    with pytest.raises(UpstreamRejected):
        await call
