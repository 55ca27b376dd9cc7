"""Permanent refusals: what an upstream will never take is refused before it is sent, or answered with its field; never
as an outage."""

from typing import Any

import pytest

from app.commands.execution import refusals
from app.commands.execution.postal_addresses import checked
from app.commands.orders.place_order import NAMES, place_order
from app.commands.support.comment_on_case import CommentOn, CommentOnCase, comment_on_case
from app.commands.support.open_case import OpenCase, open_case
from app.errors import PortalError, RuleViolated, UpstreamNotFound, UpstreamRejected
from app.http.answering.problems import rendered
from app.integrations.salesforce.org import limits
from app.integrations.salesforce.org.limits import FieldLimit
from app.postal import Address

HOME = {
    "address1": "1-1",
    "address2": "",
    "city": "Minato-ku",
    "state": "Tokyo",
    "postcode": "1060032",
    "country": "JP",
}


def wrong_with(**fields: str) -> list[tuple[str, str]]:
    """Return the violations of an address."""
    try:
        checked(Address(**{**HOME, **fields}))
    except RuleViolated as error:
        return [(each.field, each.code) for each in error.errors]
    return []


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"city": "x" * 40}, []),
        ({"city": "x" * 41}, [("city", "field_too_long")]),
        ({"city": "あ" * 40}, []),
        ({"city": "あ" * 60}, [("city", "field_too_long")]),
        ({"city": "😀" * 20}, []),
        ({"city": "😀" * 21}, [("city", "field_too_long")]),
        ({"city": "㍿" * 11}, [("city", "field_too_long")]),
        ({"address1": "x" * 255}, []),
        ({"address1": "x" * 256}, [("address1", "field_too_long")]),
        ({"address1": "x" * 200, "address2": "y" * 54}, []),
        ({"address1": "x" * 200, "address2": "y" * 55}, [("address2", "field_too_long")]),
        ({"country": "US", "state": "x" * 81}, [("state", "field_too_long")]),
        ({"country": "US", "postcode": "9" * 21}, [("postcode", "field_too_long")]),
    ],
)
def test_an_address_fits_into_an_order(fields: dict[str, str], wrong: list[tuple[str, str]]) -> None:
    assert wrong_with(**fields) == wrong


@pytest.mark.parametrize(
    ("text", "fits"), [("あ" * 1_333, True), ("あ" * 1_334, False), ("x" * 4_000, True), ("x" * 4_001, False)]
)
def test_comments_are_counted_in_bytes(text: str, fits: bool) -> None:
    assert limits.COMMENT.fits(text) is fits


def answer(error: PortalError) -> tuple[int, bool]:
    """Status, and whether it says to try again."""
    status, headers, _ = rendered(error, "r")
    return status, "Retry-After" in headers


async def test_a_comment_that_salesforce_would_not_take_is_refused_before_it_is_asked(desk: Any) -> None:
    actor = await desk.customer()
    case = await open_case(desk.context, actor, OpenCase("Slow", "It is slow."))
    request = CommentOn(case.result.case_id, CommentOnCase("あ" * 1_334))
    with pytest.raises(RuleViolated) as refused:
        await comment_on_case(desk.context, actor, request)
    assert [(each.field, each.code) for each in refused.value.errors] == [("body", "field_too_long")]
    assert answer(refused.value) == (422, False)
    await comment_on_case(desk.context, actor, CommentOn(case.result.case_id, CommentOnCase("あ" * 1_333)))


@pytest.mark.parametrize(
    ("request_", "field"),
    [(OpenCase("😀" * 128, "It is slow."), "subject"), (OpenCase("Slow", "😀" * 16_001), "description")],
)
async def test_a_case_that_is_too_long_for_salesforce_names_the_field(
    desk: Any, request_: OpenCase, field: str
) -> None:
    with pytest.raises(RuleViolated) as refused:
        await open_case(desk.context, await desk.customer(), request_)
    assert [(each.field, each.code) for each in refused.value.errors] == [(field, "field_too_long")]


async def test_a_permanent_refusal_of_salesforce_names_its_field(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is a wrong idea of the limit, as it is when an administrator shortens the field."""
    monkeypatch.setattr(limits, "CITY", FieldLimit(100))
    actor = await desk.customer()
    basket = await desk.basket("hosting", address={**HOME, "city": "x" * 60})
    with pytest.raises(RuleViolated) as refused:
        await place_order(desk.context, actor, basket)
    assert refused.value.code == "field_refused"
    assert [(each.field, each.code) for each in refused.value.errors] == [("address.city", "field_refused")]
    assert answer(refused.value) == (422, False)


@pytest.mark.parametrize(
    ("code", "reason", "fields"),
    [
        ("STRING_TOO_LONG", "BillingCity: data value too large: x (max length=40)", ["address.city"]),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "BillingCountry: bad value: JP", ["address.country"]),
        ("FIELD_INTEGRITY_EXCEPTION", "There's a problem with this country", []),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Only on weekdays", []),
    ],
)
def test_a_refusal_uses_the_field_names_of_the_request(code: str, reason: str, fields: list[str]) -> None:
    with pytest.raises(RuleViolated) as refused, refusals.named(NAMES):
        raise UpstreamRejected("salesforce", "composite", reason, vendor_code=code)
    assert [each.field for each in refused.value.errors] == fields
    assert answer(refused.value) == (422, False)


def test_fields_that_are_listed_are_believed_before_the_sentence() -> None:
    error = UpstreamRejected("salesforce", "composite", "Billing City: too large", vendor_code="STRING_TOO_LONG")
    error.fields = ("BillingCity", "BillingStreet", "Nobody__c")  # type: ignore[attr-defined]
    with pytest.raises(RuleViolated) as refused, refusals.named(NAMES):
        raise error
    assert [each.field for each in refused.value.errors] == ["address.city", "address.address1"]


@pytest.mark.parametrize("error", [UpstreamRejected, UpstreamNotFound])
def test_another_refusal_is_not_to_be_tried_again_either(error: type[UpstreamRejected]) -> None:
    with pytest.raises(UpstreamRejected) as refused, refusals.named(NAMES):
        raise error("salesforce", "composite", "no", vendor_code="DUPLICATE_VALUE")
    assert answer(refused.value) == (502, False)


async def test_the_same_words_with_other_line_endings_are_the_same_case(desk: Any) -> None:
    actor = await desk.customer()
    first = await open_case(desk.context, _without_key(actor), OpenCase("Café  down", "One\r\ntwo\r\n"))
    again = await open_case(desk.context, _without_key(actor), OpenCase("Cafe\u0301 down", "One\ntwo"))
    other = await open_case(desk.context, _without_key(actor), OpenCase("Café down", "One two"))
    assert first.result.case_id == again.result.case_id != other.result.case_id


async def test_the_same_comment_with_other_line_endings_is_said_once(desk: Any) -> None:
    actor = await desk.customer()
    case_id = (await open_case(desk.context, actor, OpenCase("Slow", "It is slow."))).result.case_id
    for body in ("One\r\ntwo", "One\ntwo\n", "One\rtwo"):
        await comment_on_case(desk.context, actor, CommentOn(case_id, CommentOnCase(body)))
    rows = await desk.resources.salesforce.query(f"SELECT Id FROM CaseComment WHERE ParentId = '{case_id}'")
    assert len(rows) == 1


def _without_key(actor: Any) -> Any:
    return type(actor)(**{name: getattr(actor, name) for name in actor.__struct_fields__ if name != "command_key"})
