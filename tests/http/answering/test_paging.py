"""A cursor leads on in the list of the account, and in the order, that it was issued for."""

import pytest
from msgspec.structs import replace

from app.cli.document import unconfigured
from app.errors import InvalidRequest
from app.http.answering.paging import Paging
from app.http.fast.routes import FIRST_PAGE, HotRoutes
from app.http.policies.policy import CUSTOMER, FirstPage, Policy
from app.http.policies.table import routes_of
from app.keyring import Keyring
from app.queries import invoices
from app.queries.reading.page import Cursor, Page
from app.queries.reading.store import Answer, Store
from app.settings import Settings

POLICY = Policy(roles=CUSTOMER, cursor="invoices:{account}:{variant}", fast=FirstPage(invoices.list_invoices))


def paging(keyring: Keyring, account: object, cursor: str | None = None, policy: Policy = POLICY) -> Paging:
    return Paging(policy, keyring, account, 25, cursor, frozenset())


def test_a_cursor_leads_on_behind_its_item(settings: Settings) -> None:
    _, cursor_of = paging(settings.keyring, "hana").of()
    page, _ = paging(settings.keyring, "hana", cursor_of("77")).of()
    assert (page.limit, page.after) == (25, "77")


@pytest.mark.parametrize("other", [("kenji", ""), ("hana", "-total")])
def test_no_cursor_of_another_list_is_taken(settings: Settings, other: tuple[str, str]) -> None:
    account, variant = other
    _, cursor_of = paging(settings.keyring, account).of(variant)
    with pytest.raises(InvalidRequest):
        paging(settings.keyring, "hana", cursor_of("77")).of()


async def test_the_cursors_of_the_fast_path_are_those_of_the_ordinary_route(settings: Settings) -> None:
    issued: list[str] = []

    async def first_page(store: Store, account: object, page: Page, cursor: Cursor) -> Answer:
        assert page is FIRST_PAGE
        issued.append(cursor("77"))
        raise InvalidRequest

    lists = [route for route in routes_of(unconfigured()) if isinstance(route.policy.fast, FirstPage)]
    assert len(lists) == 4
    for route in lists:
        policy = replace(route.policy, fast=FirstPage(first_page))
        route.handler.opt["policy"] = policy
        with pytest.raises(InvalidRequest):
            await HotRoutes(settings, [route]).all()[0].query(None, "hana", "")  # type: ignore[arg-type]
        page, _ = paging(settings.keyring, "hana", issued.pop(), policy).of()
        assert page.after == "77"
