"""The rules of an order, kept in fulfilment too: staff make and change orders in Salesforce, where no rule is checked.

They are the rules of the account catalog and of `POST /api/orders`, under the same codes in capitals. An order that
breaks one pauses before WHMCS is touched, and continues by itself once the order or the account is corrected.

Reads: what the account's standing and `is_domain_elsewhere` read, read_model.catalog.
"""

import re
from collections.abc import Iterator
from datetime import date
from itertools import chain
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict, replace

from app.clock import now
from app.commands.fulfilment.hosting import is_domain_elsewhere
from app.commands.fulfilment.work import Pause, Work
from app.errors import Advice, Violation
from app.intake.words import folded
from app.integrations.salesforce.activation import FulfilmentLine, LiveOrder
from app.integrations.salesforce.orders import ESIM, Snapshot
from app.ordering.availability import account_refusal, refusals
from app.ordering.composition import misfits, wrong_region
from app.ordering.hosting import wrong_domain
from app.ordering.item import MADE_ONCE, Item
from app.ordering.sim import wrong_eid, wrong_transfer
from app.ordering.standing import Standing
from app.postal import Address
from app.readmodels.ordering.account_standing import complete, standing_of, vpn_regions
from app.readmodels.ordering.order_life import PauseCode
from app.readmodels.profiles import profile_of

CODES: dict[str, PauseCode] = {
    "account_closed": "BILLING_ACCOUNT_CLOSED",
    "not_known_yet": "NOT_KNOWN_YET",
    "product_not_orderable": "PRODUCT_NOT_ORDERABLE",
    "not_eligible": "NOT_ELIGIBLE",
    "duplicate_internet": "DUPLICATE_INTERNET",
    "sku_repeated": "SKU_REPEATED",
    "plan_required": "PLAN_REQUIRED",
    "internet_plan_required": "INTERNET_PLAN_REQUIRED",
    "sim_plan_required": "SIM_PLAN_REQUIRED",
    "one_plan_only": "ONE_PLAN_ONLY",
    "installation_required": "INSTALLATION_REQUIRED",
    "activation_fee_required": "ACTIVATION_FEE_REQUIRED",
    "vpn_activation_fee_required": "VPN_ACTIVATION_FEE_REQUIRED",
    "required_product_missing": "REQUIRED_PRODUCT_MISSING",
    "products_exclude_each_other": "PRODUCTS_EXCLUDE_EACH_OTHER",
    "vpn_region_required": "VPN_REGION_REQUIRED",
    "domain_required": "DOMAIN_REQUIRED",
    "domain_invalid": "DOMAIN_INVALID",
    "domain_taken": "DOMAIN_TAKEN",
    "domain_unavailable": "DOMAIN_UNAVAILABLE",
    "eid_required": "EID_REQUIRED",
    "mnp_details_required": "MNP_DETAILS_REQUIRED",
}
"""Code of an order's violation → code of a pause."""
QUANTITY_NOT_ONE: PauseCode = "QUANTITY_NOT_ONE"
SINGLE_CLASSES = frozenset({"service", "installation", "activation"})
"""Classes of which one piece is one service, or its fee. A basket has no quantities; staff may sell several add-ons."""
CLASSES = {"add-on": "add_on"}
"""Item_Class__c, folded → the catalog's word, where they differ."""
ADVICE = "Correct the order or the account; activation then goes on. As the customer is told: "


class OrderFacts(Struct, frozen=True):
    """What the rules of one order depend on, beside the account's standing."""

    vpn_regions: frozenset[str]
    today: date
    is_domain_elsewhere: bool


async def broken_rule(work: Work) -> Pause | None:
    """Return the pause for the first rule that the order breaks; None once WHMCS was asked to bill it."""
    if work.job.facts.get("add_order_sent_at") or work.job.facts.get("whmcs_order_id"):
        return None
    pool, order = work.ctx.pool, work.order
    if several := _several(order):
        return several
    standing = await _standing(work)
    today = now().astimezone(ZoneInfo(work.ctx.settings.whmcs_time_zone)).date()
    known = OrderFacts(await vpn_regions(pool), today, await is_domain_elsewhere(work))
    found = first_broken(order, standing, known)
    return Pause(CODES[found.code], ADVICE + found.message) if found else None


def first_broken(order: LiveOrder, standing: Standing, known: OrderFacts) -> Advice | Violation | None:
    """Return the first rule that an order breaks. Pure."""
    broken: Iterator[Advice | Violation] = chain(_of_account(order, standing), _of_basket(order, standing, known))
    return next(broken, None)


async def _standing(work: Work) -> Standing:
    """Load the account's standing, with the client from WHMCS if it was never read."""
    standing = await standing_of(work.ctx.pool, work.job.account_id, ordered_before=work.order.order_id)
    if standing.client_status:
        return standing
    client = (await work.ctx.whmcs.client(work.whmcs_client_id)).data
    return replace(standing, client_status=client.get("status") or "", address=complete(profile_of(client).address))


def _several(order: LiveOrder) -> Pause | None:
    for line, item in zip(order.lines, map(_item, order.lines), strict=True):
        if line.quantity != 1 and item.category in MADE_ONCE and item.item_class in SINGLE_CLASSES:
            return Pause(
                QUANTITY_NOT_ONE, f"One order makes one {item.name}: set its quantity to 1. Order again for more."
            )
    return None


def _of_account(order: LiveOrder, standing: Standing) -> Iterator[Advice]:
    """Yield why the account may not have these products, without the portal's flags: staff sell other products too."""
    if refusal := account_refusal(standing):
        yield refusal
    address = _installed_at(order.address) or standing.address
    for item in map(_item, order.lines):
        if item.is_plan:
            yield from refusals(item, standing, address)


def _of_basket(order: LiveOrder, standing: Standing, known: OrderFacts) -> Iterator[Violation]:
    items = [_item(line) for line in order.lines]
    categories = {item.category for item in items}
    yield from misfits(items)
    yield from wrong_region(items, order.region.strip() or None, known.vpn_regions)
    if "hosting" in categories:
        yield from wrong_domain(order.domain, standing.hosted_domains, elsewhere=known.is_domain_elsewhere)
    if "sim" in categories and folded(order.sim_type) == folded(ESIM):
        yield from wrong_eid(order.eid)
    if "sim" in categories and order.porting:
        yield from wrong_transfer(asdict(order.porting), known.today)


def _item(line: FulfilmentLine) -> Item:
    item_class = folded(line.item_class)
    return Item(
        sku=line.sku,
        name=line.name,
        category=folded(line.category),
        item_class=CLASSES.get(item_class, item_class),
        family_only=line.is_family,
        offering=line.offering,
        region=line.region,
        requires=_listed(line.requires),
        excludes=_listed(line.excludes),
    )


def _listed(text: str) -> tuple[str, ...]:
    """Split a field with several SKUs."""
    return tuple(each.strip() for each in re.split(r"[,;\n]", text) if each.strip())


def _installed_at(snapshot: Snapshot | None) -> Address | None:
    """Return the order's own address; None if it names none, and then it is for the address on file."""
    if snapshot is None or not snapshot.street.strip():
        return None
    line, _, more = snapshot.street.replace("\r\n", "\n").partition("\n")
    return Address(
        address1=line,
        address2=more.replace("\n", " "),
        city=snapshot.city,
        state=snapshot.state,
        postcode=snapshot.postcode,
        country=snapshot.country,
    )
