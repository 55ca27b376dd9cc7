"""A query continues when Salesforce forgets its position, and a record counts as deleted on proof only."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from app.errors import UpstreamMalformed, UpstreamRejected
from app.integrations.salesforce.paging import resumed
from tests.fixtures.salesforce_stand_in import account_id
from tests.integrations.salesforce.rude import Asked, RudeOrg, framed, refused, rude_org

IDS = [f"80100000000000{n}AAA" for n in range(1, 8)]


@pytest_asyncio.fixture
async def org(salesforce: Any, tmp_path: Any) -> AsyncIterator[RudeOrg]:
    async with rude_org(salesforce, tmp_path) as running:
        yield running


def forgetful(org: RudeOrg, code: str = "INVALID_QUERY_LOCATOR", *, always: bool = False) -> None:
    """Two rows a page, in the order of ids; the first locator that is asked for is dead, or all of them."""
    asked_again = 0

    def answer(asked: Asked) -> bytes:
        nonlocal asked_again
        if not asked.soql:
            asked_again += 1
            if always or asked_again == 1:
                return refused(code, 404 if code == "NOT_FOUND" else 400)
            return page(int(asked.path.rpartition("-")[2]))
        after = asked.soql.partition("Id > '")[2][:18]
        return page(IDS.index(after) + 1 if after else 0)

    def page(start: int) -> bytes:
        rows = [{"Id": each} for each in IDS[start : start + 2]]
        done = start + 2 >= len(IDS)
        following = {} if done else {"nextRecordsUrl": f"/services/data/v66.0/query/01g-{start + 2}"}
        return framed(json.dumps({"done": done, "records": rows} | following).encode())

    org.answers(answer)


@pytest.mark.parametrize("code", ["INVALID_QUERY_LOCATOR", "NOT_FOUND"])
@pytest.mark.parametrize("soql", ["SELECT Id FROM Order ORDER BY Id", "SELECT Id FROM Order WHERE A = 1 ORDER BY Id"])
async def test_a_query_in_the_order_of_its_ids_goes_on_behind_the_last_row(org: RudeOrg, soql: str, code: str) -> None:
    forgetful(org, code)
    pages = [page async for page in org.client.pages(soql)]
    assert [row["Id"] for page in pages for row in page] == IDS
    forgetful(org, code, always=True)
    assert [row["Id"] for row in await org.client.query(soql)] == IDS


async def test_any_other_query_restarts_and_has_no_row_twice(org: RudeOrg) -> None:
    forgetful(org)
    assert [row["Id"] for row in await org.client.query("SELECT Id FROM Order")] == IDS


async def test_a_query_whose_locators_all_die_is_given_up(org: RudeOrg) -> None:
    forgetful(org, always=True)
    with pytest.raises(UpstreamRejected):
        await org.client.query("SELECT Id FROM Order")
    assert len(org.calls) < 10


async def test_another_refusal_of_a_page_is_no_reason_to_go_on(org: RudeOrg) -> None:
    forgetful(org, "MALFORMED_QUERY")
    with pytest.raises(UpstreamRejected):
        await org.client.query("SELECT Id FROM Order ORDER BY Id")


async def test_a_session_that_dies_between_pages_is_renewed_and_the_query_goes_on(org: RudeOrg) -> None:
    good = org.client
    state = {"dead": False}

    def answer(asked: Asked) -> bytes:
        if not asked.soql:
            state["dead"] = not state["dead"]
            return refused("INVALID_SESSION_ID", 401) if state["dead"] else refused("INVALID_QUERY_LOCATOR")
        rows = IDS[:2] if "Id >" not in asked.soql else IDS[2:]
        following = {"nextRecordsUrl": "/services/data/v66.0/query/01g-2"} if "Id >" not in asked.soql else {}
        body = {"done": not following, "records": [{"Id": each} for each in rows]} | following
        return framed(json.dumps(body).encode())

    org.answers(answer)
    assert [row["Id"] for row in await good.query("SELECT Id FROM Order ORDER BY Id")] == IDS


@pytest.mark.parametrize("came", [0, 1, 3])
async def test_an_answer_with_other_rows_than_it_announces_is_no_answer(org: RudeOrg, came: int) -> None:
    body = {"totalSize": 2, "done": True, "records": [{"Id": each} for each in IDS[:came]]}
    org.answers(lambda asked: framed(json.dumps(body).encode()))
    with pytest.raises(UpstreamMalformed):
        await org.client.query("SELECT Id FROM Order")


async def test_pages_in_a_circle_end(org: RudeOrg) -> None:
    body = {"done": False, "records": [], "nextRecordsUrl": "/services/data/v66.0/query/01g"}
    org.answers(lambda asked: framed(json.dumps(body).encode()))
    with pytest.raises(UpstreamMalformed):
        await org.client.query("SELECT Id FROM Order ORDER BY Id")


LAST = "801000000000001AAA"


@pytest.mark.parametrize(
    ("soql", "rest"),
    [
        ("SELECT Id FROM A ORDER BY Id", f"SELECT Id FROM A WHERE Id > '{LAST}' ORDER BY Id"),
        ("SELECT Id FROM A WHERE B = 1 ORDER BY Id", f"SELECT Id FROM A WHERE Id > '{LAST}' AND (B = 1) ORDER BY Id"),
        (
            "SELECT Id FROM A WHERE B = 1 OR C = 2 ORDER BY Id",
            f"SELECT Id FROM A WHERE Id > '{LAST}' AND (B = 1 OR C = 2) ORDER BY Id",
        ),
        (
            "SELECT Id, (SELECT Id FROM Cs WHERE D = 1) FROM A ORDER BY Id",
            f"SELECT Id, (SELECT Id FROM Cs WHERE D = 1) FROM A WHERE Id > '{LAST}' ORDER BY Id",
        ),
        (
            "SELECT Id FROM A WHERE N = 'x WHERE (\\' ORDER BY Id' ORDER BY Id ASC",
            f"SELECT Id FROM A WHERE Id > '{LAST}' AND (N = 'x WHERE (\\' ORDER BY Id') ORDER BY Id ASC",
        ),
        ("SELECT Id FROM A", None),
        ("SELECT Id FROM A ORDER BY Name", None),
        ("SELECT Id FROM A ORDER BY Id DESC", None),
        ("SELECT Id FROM A ORDER BY Id LIMIT 5", None),
        ("SELECT Id FROM A WHERE N = ' ORDER BY Id'", None),
    ],
)
def test_how_a_query_is_resumed(soql: str, rest: str | None) -> None:
    assert resumed(soql, LAST) == rest


@pytest.mark.parametrize("last_id", [None, 5, "", "' OR Id != '", "x" * 40])
def test_nothing_is_resumed_behind_what_is_no_id(last_id: object) -> None:
    assert resumed("SELECT Id FROM A ORDER BY Id", last_id) is None


def shown(*rows: dict[str, Any]) -> bytes:
    return framed(json.dumps({"done": True, "records": list(rows)}).encode())


@pytest.mark.parametrize(
    ("rows", "proven"),
    [
        ([{"Id": IDS[0], "IsDeleted": True}], True),
        ([{"Id": IDS[0][:15], "IsDeleted": True}], True),
        ([{"Id": IDS[0], "IsDeleted": False}], False),
        ([{"Id": IDS[0], "IsDeleted": "true"}], False),
        ([{"Id": IDS[0]}], False),
        ([], False),
        ([{"Id": IDS[1], "IsDeleted": True}], False),
    ],
    ids=[
        *("in-the-bin", "in-the-bin-by-its-short-id", "alive", "a-word-for-it", "not-told", "nobody-to-be-seen"),
        "another-one-in-the-bin",
    ],
)
async def test_a_deletion_needs_proof(org: RudeOrg, rows: list[dict[str, Any]], proven: bool) -> None:
    org.answers(lambda asked: shown(*rows))
    assert await org.client.deletion("Order", IDS[0]) is proven
    assert "queryAll" in org.calls[0].path


async def test_a_lost_permission_proves_nothing(org: RudeOrg) -> None:
    org.answers(lambda asked: refused("INVALID_TYPE"))
    with pytest.raises(UpstreamRejected):
        await org.client.deletion("Order", IDS[0])


async def test_the_stand_in_agrees(client: Any, salesforce: Any) -> None:
    made = await client.create("Case", {"AccountId": account_id(7), "Subject": "No signal"})
    assert await client.deletion("Case", made) is False
    salesforce.org.tables["Case"][made]["IsDeleted"] = True
    assert await client.deletion("Case", made) is True
    del salesforce.org.tables["Case"][made]
    assert await client.deletion("Case", made) is False, "an emptied bin and a hidden record look alike"
