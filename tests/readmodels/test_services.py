"""One definition of a service: whoever asks what an account has gets the same answer, for every kind of record."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from app.commands.billing import manage_payment_methods
from app.db import only_row
from app.events import Record
from app.projections import charges, subscriptions, timeline_subscriptions
from app.projections.projector import Group, Projector
from app.queries import summary
from app.queries.reading.store import Store
from app.readmodels import plans
from app.readmodels.ordering.account_standing import standing_of
from app.settings import Settings

AT = datetime(2026, 2, 1, tzinfo=UTC)
ROOT = Path(__file__).parents[2] / "app"
FEED = "/data/Portal__chn"
PRODUCTS: Mapping[str, tuple[str, str | None, str] | None] = {
    "unknown": None,
    "internet plan": ("Internet", "Service", "Monthly"),
    "internet add-on": ("Internet", "Add-on", "Monthly"),
    "installation": ("Internet", "Installation", "Onetime"),
    "instalments": ("Internet", "Installation", "Monthly"),
    "sim plan": ("SIM", "Service", "Monthly"),
    "voice mail": ("SIM", "Add-on", "Monthly"),
    "sim activation": ("SIM", "Activation", "Onetime"),
    "no class": ("SIM", None, "Monthly"),
    "sold once": ("VPN", "Service", "Onetime"),
}
"""Category, class and cycle of the product with the service's number."""
STATUSES = ("Active", "Pending", "Suspended", "Terminated", "Cancelled", "Completed", "Fraud", "On Hold")
CYCLES = ("Monthly", "Semi-Annually", "One Time", "Free Account", "")
GROUPS = ("Internet", "SIM", "")
FEES = ("Installation", "Activation")
ENDED = ("Terminated", "Cancelled", "Completed", "Fraud")


class Case(msgspec.Struct, frozen=True):
    """One WHMCS service, of one account."""

    account_id: UUID
    number: int
    status: str
    cycle: str
    product: str
    group: str


class Verdict(msgspec.Struct, frozen=True):
    """What one record makes an account have."""

    service: bool
    internet: bool
    sims: int
    billed_on: bool


def cases() -> Iterator[Case]:
    """Every status, cycle and product; the group varies where it may decide, and contradicts the product elsewhere."""
    groups = {
        name: GROUPS if told is None else ("SIM" if told[0] == "Internet" else "Internet",)
        for name, told in PRODUCTS.items()
    }
    kinds = [(product, group) for product, several in groups.items() for group in several]
    for number, (status, cycle, (product, group)) in enumerate(itertools.product(STATUSES, CYCLES, kinds), start=1):
        yield Case(uuid4(), number, status, cycle, product, group)


def expected(case: Case) -> Verdict:
    """The definition in other words."""
    category, item_class, sold_as = PRODUCTS[case.product] or (case.group, None, "")
    billed = sold_as if case.cycle in ("Free Account", "") else case.cycle
    service = item_class not in FEES and billed not in ("One Time", "Onetime")
    line, runs = service and item_class != "Add-on", case.status not in ENDED
    return Verdict(
        service=service,
        internet=line and runs and category == "Internet",
        sims=int(line and case.status == "Active" and category == "SIM"),
        billed_on=service and runs,
    )


def record(source: str, kind: str, number: str, data: dict[str, Any]) -> Record:
    return Record(
        source=source,
        object=kind,
        record_id=number,
        owner_id="1001",
        version=1,
        occurred_at=AT,
        verified_at=AT,
        data=data,
    )


def group_of(case: Case) -> Group:
    data = {"pid": "7", "name": "Internet SIM", "billingcycle": case.cycle, "status": case.status}
    data |= {"groupname": case.group, "recurringamount": "1000.00", "regdate": "2026-01-01"}
    service = record("whmcs", "service", str(case.number), data)
    named = {}
    if told := PRODUCTS[case.product]:
        fields = dict(zip(("Product2Categories1__c", "Item_Class__c", "Billing_Cycle__c"), told, strict=True))
        named = {("Product2", "7"): [record("salesforce", "Product2", "01tA", {**fields, "IsActive": True})]}
    return Group(case.account_id, service.record_id, [service], {}, named)


async def store_rows(pool: asyncpg.Pool, projector: Projector, all_cases: Sequence[Case]) -> None:
    """Project every case and store its rows."""
    rows = [
        {"account_id": case.account_id, "version": 1, "as_of": AT, **row}
        for case in all_cases
        for row in projector.project(group_of(case)).rows
    ]
    arrays = [[row.get(name) for row in rows] for name in projector.table.columns]
    await pool.execute(projector.table.upsert_sql(1), *arrays)


@pytest.fixture(scope="module")
def all_cases() -> list[Case]:
    return list(cases())


@pytest.fixture
async def filled(pool: asyncpg.Pool, settings: Settings, all_cases: list[Case]) -> Store:
    """One account for each case, whose lists were all read."""
    for module in (subscriptions, charges, timeline_subscriptions):
        await store_rows(pool, module.projector(settings), all_cases)
    accounts = [case.account_id for case in all_cases]
    await pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) "
        "SELECT id, id::text, 'unused' FROM unnest($1::uuid[]) AS a (id)",
        accounts,
    )
    await pool.execute(
        "INSERT INTO portal.id_mappings (account_id, user_id, whmcs_client_id, salesforce_account_id, customer_number) "
        "SELECT id, id, id::text, id::text, id::text FROM unnest($1::uuid[]) AS a (id)",
        accounts,
    )
    await pool.execute(
        "INSERT INTO read_model.freshness (account_id, resource, verified_at) SELECT id, resource, now() "
        "FROM unnest($1::uuid[]) AS a (id), unnest($2::text[]) AS r (resource)",
        accounts,
        list(summary.RESOURCES),
    )
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now())", FEED)
    return Store(pool, FEED, "Asia/Tokyo")


async def verdicts(store: Store, case: Case) -> dict[str, Verdict]:
    """What each part of the portal says of the account."""
    pool, account = store.pool, case.account_id
    counts = await only_row(
        pool,
        "SELECT (SELECT count(*) FROM read_model.subscriptions WHERE account_id = $1) AS services, "
        "(SELECT count(*) FROM read_model.charges WHERE account_id = $1) AS charges, "
        "(SELECT count(*) > 0 FROM read_model.timeline WHERE account_id = $1) AS told",
        account,
    )
    assert counts["services"] + counts["charges"] == 1, "everything that is billed is one or the other"
    standing = await standing_of(pool, account)
    change = await only_row(pool, plans._ABOUT, account)
    needed = await pool.fetchval(manage_payment_methods._NEEDED, account, list(manage_payment_methods.SETTLED))
    screen = msgspec.json.decode((await summary.summary(store, account)).body)
    service = bool(counts["services"])
    return {
        "tables": Verdict(service, standing.has_internet, change["sims"], needed),
        "orders": Verdict(counts["told"], standing.has_internet, int(standing.has_active_sim), needed),
        "summary": Verdict(
            bool(sum(screen["services"].values())), standing.has_internet, int(standing.has_active_sim), needed
        ),
    }


async def test_everybody_agrees_on_what_an_account_has(filled: Store, all_cases: list[Case]) -> None:
    wrong = []
    for case in all_cases:
        right = expected(case)
        wrong += [(case, who, said, right) for who, said in (await verdicts(filled, case)).items() if said != right]
    assert wrong == []


COMPARED = re.compile(r"(?:category|status|item_class)\s*(?:=|<>|IN|NOT IN|IS)\s*'", re.I)
OF_SERVICES = re.compile(r"[^;\"']*read_model\.subscriptions\b[^;\"]{0,160}")
COUNTED = {
    "commands/dunning/inherited.py": "whatever WHMCS suspended for an invoice is lifted, classed or not",
    "queries/summary.py": "the next renewal is of an active service",
    "queries/reading/capabilities.py": "whether there is a service that a command could be about",
    "readmodels/ordering/domains.py": "whose a domain is, of all accounts; the index is on the category",
    "commands/orders/promotion_history.py": "WHMCS asks for active products, charges included",
}
"""Modules that choose services by a state themselves, with the reason."""


def test_no_other_module_decides_what_an_account_has() -> None:
    """A statement over the services that compares a category, class or state is a second definition."""
    deciding = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for found in OF_SERVICES.findall(path.read_text())
        if COMPARED.search(found)
    }
    assert deciding == set(COUNTED)
