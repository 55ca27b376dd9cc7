"""Changes are built by kind; their version follows from their time unless it is given."""

from datetime import UTC, datetime

from app.events import Change, milliseconds

AT = datetime(2026, 1, 31, 10, 15, 30, 250_000, tzinfo=UTC)


def test_each_constructor_makes_its_kind() -> None:
    made = [
        Change.whole("whmcs", "invoice", "1", {"id": "1"}, event_id="e", occurred_at=AT, origin="refetch"),
        Change.partial("salesforce", "Order", "801", {"Status": "Draft"}, event_id="e", occurred_at=AT, origin="cdc"),
        Change.gone("whmcs", "invoice", "1", event_id="e", occurred_at=AT, origin="refetch", read_at=AT),
        Change.hint("whmcs", "merge", "1", {"into": "2"}, event_id="e", occurred_at=AT, origin="webhook"),
    ]
    assert [each.kind for each in made] == ["full", "partial", "deleted", "hint"]
    assert [each.data for each in made] == [{"id": "1"}, {"Status": "Draft"}, {}, {"into": "2"}]
    assert {each.version for each in made} == {milliseconds(AT)}


def test_a_version_that_is_given_stands() -> None:
    change = Change.gone("salesforce", "Order", "801", event_id="e", occurred_at=AT, origin="refetch", version=0)
    assert change.version == 0
