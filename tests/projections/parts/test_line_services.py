"""The service of an invoice line, by the types of WHMCS: named where it is certain, never otherwise."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from app.events import Record
from app.projections.parts.line_services import NOTHING, Translations, billed, services_of, translations
from app.projections.projector import Group

AT = datetime(2026, 1, 31, tzinfo=UTC)
KNOWN = Translations(addons={"7": "55", "8": "56"}, upgrades={"3": "55"})


def line(word: str, relid: Any = "55") -> dict[str, Any]:
    return {"type": word, "relid": relid, "description": "x", "amount": "1.00"}


def record(
    object_name: str, record_id: str, owner_id: str = "1001", parent_id: str | None = None, **data: Any
) -> Record:
    return Record(
        source="whmcs",
        object=object_name,
        record_id=record_id,
        version=1,
        occurred_at=AT,
        verified_at=AT,
        data=data,
        owner_id=owner_id,
        parent_id=parent_id,
    )


@pytest.mark.parametrize(
    ("lines", "services"),
    [
        ([line("Hosting")], ["55"]),
        ([line("Setup"), line("PromoHosting", "56")], ["55", "56"]),
        ([line(" Hosting ")], ["55"]),
        ([line("Hosting", "0")], [None]),
        ([line("Hosting", "")], [None]),
        ([line("Hosting", None)], [None]),
        ([line("Addon", "7"), line("Addon", "8"), line("PromoAddon", "8")], ["55", "56", "56"]),
        ([line("Addon", "9")], [None]),
        ([line("Upgrade", "3")], ["55"]),
        ([line("Upgrade", "4")], [None]),
        ([line("Domain"), line("DomainRegister"), line("PromoDomain")], [None, None, None]),
        ([line("Item"), line("AddFunds"), line("Invoice"), line(""), line("New in 2030")], [None] * 5),
        ([line("Hosting"), line("LateFee", "77")], ["55", "55"]),
        ([line("LateFee", "77"), line("Hosting"), line("Addon", "7")], ["55", "55", "55"]),
        ([line("Hosting"), line("PromoHosting"), line("LateFee"), line("GroupDiscount")], ["55"] * 4),
        ([line("Hosting"), line("Hosting", "56"), line("LateFee")], ["55", "56", None]),
        ([line("Hosting"), line("Addon", "9"), line("LateFee")], ["55", None, None]),
        ([line("Hosting"), line("Item"), line("LateFee")], ["55", None, None]),
        ([line("LateFee")], [None]),
        ([], []),
    ],
)
def test_a_line_names_its_service_where_that_is_certain(
    lines: list[dict[str, Any]], services: list[str | None]
) -> None:
    assert services_of(lines, KNOWN) == services
    assert billed({"items": lines}, KNOWN) == [each for each in dict.fromkeys(services) if each]


def test_an_upgrade_that_the_portal_ordered_without_learning_its_number_is_the_only_one_on_its_invoice() -> None:
    ordered = Translations(upgrades={"": "55"})
    assert services_of([line("Upgrade", "3")], ordered) == ["55"]
    assert services_of([line("Upgrade", "3"), line("Upgrade", "4")], ordered) == [None, None]
    assert services_of([line("Upgrade", "3")], Translations(upgrades={"": "55", "9": "56"})) == [None]
    assert services_of([line("Upgrade", "3")], Translations(upgrades={"": "55", "3": "55"})) == ["55"]


def test_add_ons_and_upgrades_are_translated_by_the_clients_own_records() -> None:
    invoice = record("invoice", "77")
    context = {
        ("addon", "7"): record("addon", "7", parent_id="55"),
        ("addon", "8"): record("addon", "8", owner_id="2002", parent_id="99"),
        ("addon", "9"): record("addon", "9"),
        ("service", "7"): record("service", "7", parent_id="12"),
    }
    upgrade = record("invoice_upgrade", "77:3", parent_id="77", upgrade_id="3", service_id="55")
    group = Group(account_id=UUID(int=1), item_id="77", records=[invoice, upgrade], context=context)
    assert translations(group, invoice) == Translations(addons={"7": "55"}, upgrades={"3": "55"})
    nothing = Group(account_id=UUID(int=1), item_id="77", records=[invoice], context={})
    assert translations(nothing, invoice) == NOTHING
