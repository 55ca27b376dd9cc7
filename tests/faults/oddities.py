"""Odd records, planted in the upstreams before a soak: some can be read, and some must be named to operators."""

import json
import random
import string
from dataclasses import dataclass
from typing import Any

import httpx

NUL_AND_SURROGATE = "1-2\x003 \ud83d"
TOO_LARGE = 99_999_999_999
"""For the column that a product's place in the catalog goes to: it stands last."""
TOO_LONG = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=20_000))
"""For the index of the catalog's key: the projector takes it, and Postgres does not."""


@dataclass(frozen=True)
class Odd:
    """One odd record. `words` are those that may describe it to operators; empty when it is only odd to look at."""

    what: str
    object: str
    record_id: str
    words: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    """By what a read model names rows that may be older than the truth, since the record cannot be projected."""


async def plant(control: httpx.AsyncClient, client_id: str, account_id: str) -> list[Odd]:
    """Odd records of one customer, and odd products of nobody."""
    return [
        await _account(control, account_id),
        await _service(control, client_id, "domain", NUL_AND_SURROGATE, named=False),
        await _service(control, client_id, "nextduedate", "-0001-11-30", named=False),
        await _service(control, client_id, "nextduedate", "some day", named=True),
        await _invoice(control, client_id),
        await _product(control, 0, {"StockKeepingUnit": None}, named=True),
        await _product(control, 1, {"Display_Order__c": TOO_LARGE}, named=False),
        await _product(control, 2, {"StockKeepingUnit": TOO_LONG}, named=True, excused=True),
    ]


async def _account(control: httpx.AsyncClient, account_id: str) -> Odd:
    path = f"/salesforce/Account/{account_id}/raw"
    await _send(control, "PUT", path, {"BillingStreet": NUL_AND_SURROGATE})
    return Odd("an address with NUL and a lone surrogate", "Account", account_id)


async def _service(control: httpx.AsyncClient, client_id: str, field: str, value: str, *, named: bool) -> Odd:
    rows = (await control.get("/whmcs/products")).raise_for_status().json()["records"]
    recurring = next(each["id"] for each in rows if each["paytype"] == "recurring")
    body = {"clientid": client_id, "pid": recurring, field: value}
    made = await _send(control, "POST", "/whmcs/services", body)
    return Odd(f"a service whose {field} is {value!r}", "service", made["id"], (made["id"],) if named else ())


async def _invoice(control: httpx.AsyncClient, client_id: str) -> Odd:
    body = {"userid": client_id, "amount": "1234.00", "duedate": "30/11/2026", "date": "0000-00-00"}
    made = await _send(control, "POST", "/whmcs/invoices", body)
    return Odd("an invoice with a European due date and no date", "invoice", made["id"])


async def _product(
    control: httpx.AsyncClient, place: int, body: dict[str, Any], *, named: bool, excused: bool = False
) -> Odd:
    rows = (await control.get("/salesforce/Product2")).raise_for_status().json()["records"]
    product = rows[place]
    await _send(control, "PUT", f"/salesforce/Product2/{product['Id']}/raw", body)
    words = (product["Id"], product["Id"][:15]) if named else ()
    skus = (product["StockKeepingUnit"],) if excused else ()
    values = ", ".join(f"{name} {str(value)[:20]}" for name, value in body.items())
    return Odd(f"a product with {values}", "Product2", product["Id"], words, skus)


async def _send(control: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    response = await control.request(method, path, content=json.dumps(body), headers=headers)
    found: dict[str, Any] = response.raise_for_status().json()
    return found


async def unheard(control: httpx.AsyncClient, spoilt: list[dict[str, Any]]) -> list[str]:
    """By what read models name the rows of records whose events could not be decoded: orders by id, products by SKU."""
    words: set[str] = set()
    for event in spoilt:
        if event["kind"] == "undecodable_event":
            for record_id in event["record_ids"]:
                words |= await _names(control, event["object"], record_id)
    return sorted(words)


async def _names(control: httpx.AsyncClient, name: str, record_id: str) -> set[str]:
    answer = await control.get(f"/salesforce/{name}/{record_id}")
    row = answer.json() if answer.status_code == 200 else {}
    if name == "PricebookEntry" and row.get("Product2Id"):
        return {record_id} | await _names(control, "Product2", row["Product2Id"])
    return {record_id} | {row[key] for key in ("OrderId", "StockKeepingUnit") if row.get(key)}
