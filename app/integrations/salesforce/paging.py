"""Pages of a query, and its continuation when Salesforce lost the position.

A locator (`nextRecordsUrl`) expires with the session that created it, after two days, and when a user opens too many.
"""

import re
from typing import Any

from msgspec import Struct

from app.errors import UpstreamRejected

LOST = frozenset({"INVALID_QUERY_LOCATOR", "QUERY_LOCATOR_EXPIRED", "INVALID_LOCATOR", "NOT_FOUND"})
"""Answers to an expired locator. NOT_FOUND, because the locator is part of the address."""
MOST_RESTARTS = 3
"""Limit of restarts without a page in between."""
LOCATOR_PATH = "/services/data/"

_BY_ID = re.compile(r"\s+ORDER\s+BY\s+Id(?:\s+ASC)?\s*$", re.I)
_ID = re.compile(r"[A-Za-z0-9]{15,18}")
_WORD = re.compile(r"'(?:[^'\\]|\\.)*'|[()]|\b(?:FROM|WHERE)\b", re.I)


class RowPage(Struct, frozen=True):
    """Rows as Salesforce returned them, and the locator of the next page.

    `anew`: the query restarted with this page, so earlier rows come again.
    """

    rows: list[dict[str, Any]]
    following: str | None = None
    anew: bool = False


def page_of(answer: Any) -> RowPage:
    """Parse an answer to a query or to its continuation; raises any error if it is not one."""
    rows, following = [plain(row) for row in answer["records"]], None
    if not answer["done"]:
        following = answer["nextRecordsUrl"]
        if not following.startswith(LOCATOR_PATH):
            raise ValueError("the next page is somewhere else")
    return RowPage(rows, following)


def first_page_of(answer: Any) -> RowPage:
    """Parse an answer to the query itself, which states its number of rows: missing ones would count as deleted."""
    page = page_of(answer)
    if page.following is None and answer.get("totalSize", len(page.rows)) != len(page.rows):
        raise ValueError(f"{answer['totalSize']} rows were announced and {len(page.rows)} came")
    return page


def is_lost(error: UpstreamRejected) -> bool:
    """Return true if the refusal of a further page means that its locator expired."""
    return error.vendor_code in LOST


def resumed(soql: str, last_id: object) -> str | None:
    """Compose the query for the rows after this one; None if the query is not ordered by id."""
    ordered = _BY_ID.search(soql)
    if ordered is None or not isinstance(last_id, str) or not _ID.fullmatch(last_id):
        return None
    body, order = soql[: ordered.start()], soql[ordered.start() :]
    where = _where(body)
    if where is None:
        return f"{body} WHERE Id > '{last_id}'{order}"
    return f"{body[: where.end()]} Id > '{last_id}' AND ({body[where.end() :].strip()}){order}"


def _where(body: str) -> re.Match[str] | None:
    """Find the query's own WHERE, not a subquery's nor a word in a literal."""
    depth = 0
    for word in _WORD.finditer(body):
        if word[0] == "(":
            depth += 1
        elif word[0] == ")":
            depth -= 1
        elif depth == 0 and word[0].upper() == "WHERE":
            return word
    return None


def plain(row: Any) -> dict[str, Any]:
    """Strip the vendor's `attributes` from a row and its parents."""
    return {
        name: plain(value) if isinstance(value, dict) and "attributes" in value else value
        for name, value in row.items()
        if name != "attributes"
    }
