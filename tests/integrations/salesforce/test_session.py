"""The Salesforce client and an org that misbehaves: what was done, what was not, what is not known."""

import asyncio

import pytest

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.integrations.salesforce.client import Part
from tests.integrations.scripted import Reply


@pytest.mark.parametrize("write", ["update", "create", "upsert", "composite"])
async def test_every_kind_of_write_names_the_portal(org, write):
    org.rest = [Reply({"id": "001A", "success": True, "compositeResponse": []})]
    writes = {
        "update": lambda: org.client.update("Account", "001A", {}),
        "create": lambda: org.client.create("Account", {}),
        "upsert": lambda: org.client.upsert("Order", "Portal_Order_Key__c", "k/1", {}),
        "composite": lambda: org.client.composite([]),
    }
    await writes[write]()
    (asked,) = org.calls()
    assert asked.headers["sforce-call-options"] == "client=portal"
    assert asked.headers["user-agent"] == "customer-portal/0.1"


async def test_the_next_page_is_asked_of_the_same_org(org):
    first = {"done": False, "nextRecordsUrl": "/services/data/v66.0/query/01g-2000", "records": [{"Id": "1"}]}
    org.rest = [Reply(first), Reply({"done": True, "records": [{"Id": "2", "attributes": {"type": "Account"}}]})]
    assert await org.client.query("SELECT Id FROM Account") == [{"Id": "1"}, {"Id": "2"}]
    assert org.calls()[1].path == "/services/data/v66.0/query/01g-2000"


async def test_many_calls_that_meet_an_expired_token_renew_it_once(org):
    # Answered only after both were asked: otherwise the repetition of the first could draw the refusal of the second.
    expired = Reply([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], 401, hang=0.4)
    org.rest = [expired, expired, Reply({"done": True, "records": []})]
    await asyncio.gather(*(org.client.query("SELECT Id FROM Order") for _ in range(2)))
    assert org.tokens == 2


async def test_a_token_that_stays_refused_is_not_renewed_forever(org):
    org.rest = [Reply([{"errorCode": "INVALID_SESSION_ID", "message": "no"}], 401)]
    with pytest.raises(UpstreamAuthFailed):
        await org.client.query("SELECT Id FROM Order")
    assert (org.tokens, len(org.calls())) == (2, 2)


async def test_a_missing_permission_is_no_reason_to_renew_the_token(org):
    org.rest = [Reply([{"errorCode": "INSUFFICIENT_ACCESS_OR_READONLY", "message": "no"}], 403)]
    with pytest.raises(UpstreamAuthFailed):
        await org.client.update("Account", "001A", {})
    assert (org.tokens, len(org.calls())) == (1, 1)


async def test_a_slow_read_is_unavailable(org):
    org.rest = [Reply(hang=2)]
    with pytest.raises(UpstreamUnavailable):
        await org.client.query("SELECT Id FROM Account")
    assert len(org.calls()) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(drop=True),
        Reply(hang=2),
        Reply("<html>", 500),
        Reply("<html>", 502),
        Reply("<html>"),
        Reply('{"compo'),
        Reply({}),
        Reply([]),
    ],
    ids=["dropped", "silent", "500", "502", "html", "truncated", "empty-object", "list"],
)
async def test_a_write_with_a_doubtful_answer_is_sent_once_and_left_open(org, reply):
    org.rest = [reply]
    with pytest.raises(OutcomeUnknown):
        await org.client.composite([Part("POST", "/sobjects/Order", "order", {})])
    assert len(org.calls()) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(drop=True), UpstreamUnavailable),
        (Reply("<html>", 500), UpstreamUnavailable),
        (Reply("<html>"), UpstreamMalformed),
        (Reply("", 401), UpstreamAuthFailed),
        (Reply([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "no"}], 403), UpstreamBusy),
        (Reply([{"errorCode": "MALFORMED_QUERY", "message": "no"}], 400), UpstreamRejected),
    ],
)
async def test_a_read_with_a_doubtful_answer_says_what_it_means(org, reply, kind):
    org.rest = [reply]
    with pytest.raises(UpstreamError) as raised:
        await org.client.query("SELECT Id FROM Account")
    assert type(raised.value) is kind


async def test_a_call_that_finds_no_free_thread_is_busy_and_was_never_sent(org):
    org.rest = [Reply({"done": True, "records": []})]
    await org.client.query("SELECT Id FROM Account")
    for _ in range(2):
        await org.client._transport._slots.acquire()
    with pytest.raises(UpstreamBusy):
        await org.client.update("Account", "001A", {})
    assert len(org.calls()) == 1


async def test_a_caller_who_leaves_keeps_its_thread_counted_until_the_thread_is_done(org):
    org.rest = [Reply({"done": True, "records": []}), Reply({"done": True, "records": []}, hang=0.3)]
    await org.client.query("SELECT Id FROM Account")
    left = asyncio.ensure_future(org.client.query("SELECT Id FROM Account"))
    await asyncio.sleep(0.1)
    left.cancel()
    assert org.client._transport._slots._value == 1
    await asyncio.sleep(0.4)
    assert org.client._transport._slots._value == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply({"error": "invalid_grant", "error_description": "user hasn't approved"}, 400), UpstreamAuthFailed),
        (Reply({"error": "invalid_client"}, 401), UpstreamAuthFailed),
        (Reply({"error": "rate_limit_exceeded"}, 400), UpstreamBusy),
        (Reply("<html>", 500), UpstreamUnavailable),
        (Reply("<html>"), UpstreamMalformed),
        (Reply({"access_token": 5}), UpstreamMalformed),
        (Reply(hang=2), UpstreamUnavailable),
        (Reply(drop=True), UpstreamUnavailable),
    ],
)
async def test_a_write_without_a_token_was_never_sent(org, reply, kind):
    org.token_reply = reply
    with pytest.raises(UpstreamError) as raised:
        await org.client.update("Account", "001A", {})
    assert type(raised.value) is kind
    assert org.calls() == []
