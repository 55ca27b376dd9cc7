"""A policy that contradicts itself is refused where it is declared."""

from typing import Any

import pytest

from app.commands.identity.change_password import COMMAND as CHANGE_PASSWORD
from app.commands.orders.place_order import COMMAND as PLACE_ORDER
from app.commands.support.open_case import COMMAND as OPEN_CASE
from app.http.policies.policy import ANYBODY, CUSTOMER, OPERATOR, SIGNED_IN, FastRead, FirstPage, Policy
from app.queries import orders


@pytest.mark.parametrize(
    ("declared", "complaint"),
    [
        ({"roles": ANYBODY}, "limited as 'account'"),
        ({"roles": ANYBODY, "limit": "payment"}, "limited as 'payment'"),
        ({"roles": SIGNED_IN, "fast": FastRead(orders.order)}, "answers customers"),
        ({"roles": CUSTOMER, "limit": "live", "fast": FastRead(orders.order)}, "does not count"),
        ({"roles": CUSTOMER, "fast": FirstPage(orders.list_orders)}, "scope of its cursors"),
    ],
)
def test_contradictions_are_refused(declared: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Policy(**declared)


def test_the_network_follows_from_the_kind_of_route() -> None:
    assert Policy(roles=OPERATOR).network == "admin"
    assert Policy(roles=ANYBODY, limit="internal").network == "internal"
    assert Policy(roles=ANYBODY, limit="none", signed=True).network == "webhook"
    assert Policy(roles=SIGNED_IN).network == Policy(roles=ANYBODY, limit="public").network == "any"


def test_the_key_is_the_commands_unless_the_route_takes_none() -> None:
    assert Policy(roles=CUSTOMER, command=PLACE_ORDER).idempotency_key == "required"
    assert Policy(roles=CUSTOMER, command=OPEN_CASE).idempotency_key == "accepted"
    assert Policy(roles=SIGNED_IN, command=CHANGE_PASSWORD, takes_key=False).idempotency_key == "ignored"
    assert Policy(roles=CUSTOMER).idempotency_key == "ignored"


def test_cursors_are_bound_to_an_account_and_a_variant() -> None:
    policy = Policy(roles=CUSTOMER, cursor="invoices:{account}:{variant}")
    assert policy.cursor_scope("a") == "invoices:a:"
    assert policy.cursor_scope("a", "-total") == "invoices:a:-total"
