"""The product list: WHMCS's own prices by currency and billing cycle, and how it treats tax.

`-1.00` is a cycle that is not offered, `0.00` one that is free. A one-time product has its price in `monthly`. Neither
group names nor tax rules can be read.
"""

from collections.abc import Mapping
from typing import Any

from app.errors import UpstreamAuthFailed, UpstreamRejected
from app.intake.billing_cycles import MONTHS
from app.intake.fields import Fields
from app.intake.words import folded
from app.integrations.error_translation import translates_errors
from app.integrations.whmcs import lists
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.lists import RecordList
from app.integrations.whmcs.records import WhmcsRecord
from app.integrations.whmcs.wire import amount, known_id, text, yes_or_no

PRICE_FIELDS = (*MONTHS, *(f"{word[0]}setupfee" for word in MONTHS))
INSTALLATION = "installation"
"""The id of the one record about tax."""


@translates_errors(WHMCS)
async def products(client: WhmcsClient) -> RecordList[WhmcsRecord]:
    """List all products."""
    action = "GetProducts"
    rows = lists.all_of(action, await client.call(action), "products", "product")
    return lists.read(action, rows, product, object_name="product", id_field="pid")


@translates_errors(WHMCS)
async def tax_settings(client: WhmcsClient) -> RecordList[WhmcsRecord]:
    """Read whether WHMCS taxes (`enabled`), and how (`type`): Exclusive or Inclusive. None where it does not say.

    A setting that the API role may not read is unknown; it must not keep the prices from being read.
    """
    enabled, kind = await _setting(client, "TaxEnabled"), await _setting(client, "TaxType")
    is_enabled = None if enabled is None else yes_or_no(enabled)
    data = {"enabled": is_enabled, "type": folded(kind) or None}
    return RecordList([WhmcsRecord("tax", INSTALLATION, None, data)])


async def _setting(client: WhmcsClient, name: str) -> str | None:
    try:
        body = await client.call("GetConfigurationValue", {"setting": name})
    except (UpstreamRejected, UpstreamAuthFailed):
        return None
    return text(body["value"]) if "value" in body and body["value"] is not None else None


def product(row: Mapping[str, Any]) -> WhmcsRecord:
    """Parse one row of GetProducts: name, way of paying, and the prices of every currency; one that cannot be read is
    None."""
    product_id = known_id(row.get("pid"))
    fields = Fields(WHMCS, "product", product_id, row)
    stated = fields.read("pricing", lambda value: value if isinstance(value, Mapping) else None) or {}
    pricing = {text(code).strip().upper(): _prices(product_id, each) for code, each in stated.items()}
    data = {"name": text(row.get("name")), "paytype": folded(text(row.get("paytype"))), "pricing": pricing}
    return WhmcsRecord("product", product_id, None, data)


def _prices(product_id: str, row: Any) -> dict[str, str | None]:
    fields = Fields(WHMCS, "product", product_id, row if isinstance(row, Mapping) else {})
    return {name: amount(fields, name) for name in PRICE_FIELDS}
