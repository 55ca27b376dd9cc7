"""A row that cannot be read never ends a page, a missing record is no deletion without proof, and a bad case never
spoils a customer's list."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import msgspec
import pytest

from app.errors import NotFound, UpstreamMalformed, UpstreamNotFound, UpstreamRejected
from app.events import Change
from app.ingest.catch_up.backfill import Backfill
from app.ingest.inbox.inbox import Inbox
from app.ingest.refetch import case_sweep as case_sweep
from app.ingest.refetch import fetchers, salesforce_window
from app.integrations.salesforce import records
from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.wire import FIELDS
from app.queries import cases
from app.queries.reading import page
from tests.fixtures.changes import change
from tests.fixtures.salesforce_stand_in import stand_in
from tests.integrations.salesforce.rude import RudeOrg, framed, refused, rude_org

NOW = datetime(2026, 2, 1, tzinfo=UTC)
STAMP = "2026-02-01T00:00:00.000+0000"
ID = "801000000000001AAA"


def row(name: str = "Order", **more: Any) -> dict[str, Any]:
    given = {"Id": ID, "SystemModstamp": STAMP, "Origin": "Portal Website", "AccountId": "001000000000001AAA"}
    return dict.fromkeys(FIELDS[name]) | given | more


ODD: list[dict[str, Any]] = [
    row(SystemModstamp=None),
    row(SystemModstamp="yesterday"),
    row(SystemModstamp="30/11/2026"),
    row(SystemModstamp="2026-01-08"),
    row(SystemModstamp="9999-12-31T23:59:59.000+0000"),
    row(SystemModstamp=["2026"]),
    {key: value for key, value in row().items() if key != "SystemModstamp"},
    {key: value for key, value in row().items() if key != "Status"},
    row(Id=None),
    row(Id={"x": 1}),
    row(Id="../../x"),
    {},
]


@pytest.fixture(scope="module")
async def org(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RudeOrg]:
    async with (
        stand_in(tmp_path_factory.mktemp("stand_in")) as running,
        rude_org(running, tmp_path_factory.mktemp("org")) as found,
    ):
        yield found


def answering(org: RudeOrg, *rows: dict[str, Any]) -> SalesforceClient:
    """Return a client of an org whose every query finds these rows."""
    body = {"done": True, "totalSize": len(rows), "records": rows}
    org.answers(lambda asked: framed(json.dumps(body).encode()))
    client: SalesforceClient = org.client
    return client


def without_the_record(org: RudeOrg, *rows: dict[str, Any], code: str = "NOT_FOUND") -> Any:
    """Upstreams with an org that does not find the record by its id."""
    body = {"done": True, "records": rows}
    org.answers(lambda asked: framed(json.dumps(body).encode()) if asked.soql else refused(code, 404))
    return SimpleNamespace(salesforce=org.client)


@pytest.mark.parametrize("odd", ODD)
def test_a_row_that_cannot_be_read_becomes_a_hint_or_is_kept_whole(odd: dict[str, Any]) -> None:
    first, kept, last = records.changes("Order", [row(), odd, row()], origin="backfill", read_at=NOW)
    assert (first.kind, last.kind) == ("full", "full")
    assert kept.kind == "hint"
    if records.is_id(odd.get("Id")):
        assert (kept.object, kept.record_id) == ("Order", ID)
    else:
        assert kept.object == "undecodable"
        assert kept.data["payload"]
    with pytest.raises(UpstreamMalformed):
        records.change("Order", odd, origin="backfill", read_at=NOW)


@pytest.mark.parametrize("odd", ODD)
async def test_a_page_of_a_resync_goes_on_behind_it(org: RudeOrg, odd: dict[str, Any]) -> None:
    client = answering(org, odd, row())
    for read in (salesforce_window.changed_since, salesforce_window.deleted_since):
        (found,) = [each async for each in read(client, "Order", NOW)]
        assert len(found) == 2
        assert found[1].kind in ("full", "deleted")


@pytest.mark.parametrize("odd", ODD)
async def test_a_backfill_goes_on_behind_it(pool: asyncpg.Pool, org: RudeOrg, odd: dict[str, Any]) -> None:
    client = answering(org, row(), odd)
    steps = [each async for each in Backfill(pool, Inbox(pool, _wake)).salesforce(client, ["Order"])]
    assert [each.done for each in steps] == [2]
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox") == 2


@pytest.mark.parametrize(
    "odd", [{}, {"Id": None}, row("CaseComment", CreatedBy={"Username": None}, Parent=5), row("Case", Origin=None)]
)
async def test_a_sweep_of_cases_goes_on_behind_it(org: RudeOrg, odd: dict[str, Any]) -> None:
    whole = row("Case", Parent={"Origin": "Portal Website"}, ParentId=ID, IsPublished=True)
    client = answering(org, odd, whole)
    found = await case_sweep.of_account(client, "001000000000001AAA")
    assert [each.kind for each in found if each.object == "Case"][-1] == "full"


async def _wake(pairs: object) -> None:
    return None


def hint() -> Change:
    return msgspec.structs.replace(change("salesforce", "Order", ID, {}), kind="hint")


async def test_a_record_that_cannot_be_read_is_not_deleted_without_proof(pool: asyncpg.Pool, org: RudeOrg) -> None:
    upstreams = without_the_record(org)
    async with pool.acquire() as connection:
        with pytest.raises(UpstreamRejected) as raised:
            await fetchers.salesforce_record(upstreams, connection, hint())
    assert not isinstance(raised.value, UpstreamNotFound)
    assert raised.value.vendor_code == "DELETION_UNPROVEN"


BIN = [{"Id": ID, "IsDeleted": True}]


@pytest.mark.parametrize(("rows", "code"), [(BIN, "NOT_FOUND"), ([], "ENTITY_IS_DELETED")])
async def test_a_record_that_is_proven_to_be_gone_is_deleted(
    pool: asyncpg.Pool, org: RudeOrg, rows: list[dict[str, Any]], code: str
) -> None:
    upstreams = without_the_record(org, *rows, code=code)
    async with pool.acquire() as connection:
        (gone,) = await fetchers.salesforce_record(upstreams, connection, hint())
    assert (gone.kind, gone.record_id) == ("deleted", ID)


class Source:
    """The port by which cases are asked for, filled in with rows as Salesforce might answer them."""

    portal_user = "portal@example.com"

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = list(rows)

    async def listed(self, account_id: str, **asked: Any) -> list[dict[str, Any]]:
        return self.rows

    async def one(self, account_id: str, case_id: str) -> dict[str, Any] | None:
        return self.rows[0] if self.rows else None

    async def content(self, version_id: str) -> bytes:
        return b"x"


CASE = {
    "Id": "500000000000001AAA",
    "CaseNumber": "1",
    "Subject": "No signal",
    "Status": "New",
    "Priority": "High",
    "CreatedDate": STAMP,
    "LastModifiedDate": STAMP,
    "IsClosed": False,
    "ClosedDate": None,
    "Description": "x",
    "CaseComments": [],
    "Files": [],
}


async def listed(*rows: dict[str, Any], limit: int = 20) -> dict[str, Any]:
    which = page.Page(limit=limit, after=None)
    source: Any = Source(*rows)
    answer = await cases.list_cases(source, "001A", which, lambda place: place)
    found: dict[str, Any] = json.loads(answer.body)
    return found


@pytest.mark.parametrize("name", [name for name in CASE if name != "Id"])
@pytest.mark.parametrize("odd", [None, 5, [], "nonsense", {"a": 1}, "absent"])
async def test_an_odd_case_is_shown_and_spoils_no_other(name: str, odd: Any) -> None:
    bad = {**CASE, name: odd} if odd != "absent" else {key: value for key, value in CASE.items() if key != name}
    found = await listed(CASE, bad, CASE)
    assert len(found["items"]) == 3
    assert found["items"][0] == found["items"][2]


async def test_a_case_without_an_id_is_left_out() -> None:
    assert len((await listed(CASE, {**CASE, "Id": None}, {}))["items"]) == 1


async def test_the_next_page_begins_behind_the_last_case_with_a_readable_position() -> None:
    found = await listed(CASE, {**CASE, "Id": "500000000000002AAA", "CreatedDate": None}, CASE, limit=2)
    assert CASE["Id"] in found["next_cursor"]
    assert (await listed({**CASE, "CreatedDate": None}, CASE, limit=1))["next_cursor"] is None


@pytest.mark.parametrize("odd", [None, 5, [], "nonsense", {"a": 1}])
async def test_odd_comments_and_files_spoil_no_case(odd: Any) -> None:
    comment = {"Id": "00a000000000001AAA", "CommentBody": odd, "CreatedDate": odd, "CreatedBy": odd}
    file = {"ContentDocumentId": "069000000000001AAA", "Visibility": "AllUsers", "ContentDocument": odd}
    source: Any = Source({**CASE, "CaseComments": [comment, {"Id": odd}], "Files": [file, {"ContentDocumentId": 5}]})
    found = json.loads((await cases.case(source, "001A", CASE["Id"])).body)
    assert len(found["comments"]) == (2 if odd == "nonsense" else 1)
    assert len(found["attachments"]) == 1
    with pytest.raises(NotFound):
        await cases.attachment(source, "001A", CASE["Id"], "069000000000001AAA")
