"""One WHMCS action over the wire, with an upstream that answers as real ones have been seen to."""

import pytest

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)
from tests.integrations.scripted import Reply
from tests.integrations.whmcs.answers import ORDER, refused, success

HTML = "<html><body>Oops! Something went wrong</body></html>"


async def test_credentials_travel_in_the_body_of_a_post(whmcs, upstream):
    upstream.will(success())
    await whmcs.call("WhmcsDetails")
    (asked,) = upstream.asked
    assert (asked.method, asked.path) == ("POST", "/includes/api.php")
    assert asked.form["secret"] == "whmcs-secret"
    assert (asked.form["action"], asked.form["responsetype"]) == ("WhmcsDetails", "json")
    assert asked.headers["user-agent"] == "customer-portal/0.1"


@pytest.mark.parametrize("reply", [Reply(HTML, 500), Reply(HTML), Reply(drop=True), Reply("", 502), Reply(HTML, 503)])
async def test_a_read_is_repeated_over_a_passing_trouble(whmcs, upstream, reply):
    upstream.will(reply, success(clientid="1"))
    assert (await whmcs.call("GetCredits"))["clientid"] == "1"
    assert len(upstream.asked) == 2


async def test_a_read_is_repeated_twice_at_most(whmcs, upstream):
    upstream.will(Reply(HTML, 500))
    with pytest.raises(UpstreamUnavailable):
        await whmcs.call("GetCredits")
    assert len(upstream.asked) == 3


async def test_a_slow_read_is_not_repeated(whmcs, upstream):
    upstream.will(Reply(hang=2))
    with pytest.raises(UpstreamUnavailable):
        await whmcs.call("GetCredits")
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(HTML, 500),
        Reply("", 504),
        Reply(HTML),
        Reply("PHP Notice: x {}"),
        Reply(""),
        Reply('{"result":"succ'),
        Reply(drop=True),
        Reply(hang=2),
        Reply({"result": "success"}),
        Reply({"warning": "missing payment information"}),
        success(orderid=0),
        success(orderid="abc"),
    ],
    ids=["500", "504", "html", "notice", "empty", "truncated", "dropped", "silent", "no-id", "warning", "zero", "word"],
)
async def test_a_write_is_sent_once_and_its_doubtful_answer_leaves_the_outcome_open(whmcs, upstream, reply):
    upstream.will(reply)
    with pytest.raises(OutcomeUnknown):
        await whmcs.add_order(ORDER)
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(("status", "kind"), [(503, UpstreamBusy), (429, UpstreamBusy), (403, UpstreamAuthFailed)])
async def test_a_write_refused_by_the_web_server_may_be_repeated(whmcs, upstream, status, kind):
    upstream.will(Reply(HTML, status))
    with pytest.raises(kind):
        await whmcs.add_order(ORDER)
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("message", "kind", "code"),
    [
        ("Invalid IP 192.0.2.1", UpstreamAuthFailed, "refused"),
        ("Invalid or missing credentials", UpstreamAuthFailed, "refused"),
        ('Invalid Permissions: API action "addorder" is not allowed', UpstreamAuthFailed, "refused"),
        ("Client ID Not Found", UpstreamNotFound, "absent"),
        ("Client Not Found", UpstreamNotFound, "absent"),
        ("Invoice ID Not Found", UpstreamNotFound, "absent"),
        ("Service ID not found", UpstreamNotFound, "absent"),
        ("Invalid client_id", UpstreamNotFound, "absent"),
        ("Order ID not found or Status not Pending", UpstreamRejected, "not_pending"),
        ("A user already exists with that email address", UpstreamRejected, "email_taken"),
        ("The email address entered is not available for use.", UpstreamRejected, "email_taken"),
        ("Duplicate Email Address", UpstreamRejected, "email_taken"),
        ("No items added to cart so order cannot proceed", UpstreamRejected, ""),
        ("Invalid Payment Method. Valid options include mailin", UpstreamRejected, ""),
        ("Lock wait timeout exceeded; try again", UpstreamBusy, "busy"),
    ],
)
async def test_errors_are_distinguished_by_their_sentence_alone(whmcs, upstream, message, kind, code):
    upstream.will(refused(message))
    with pytest.raises(UpstreamError) as raised:
        await whmcs.call("X", write=True)
    assert (type(raised.value), raised.value.vendor_code, raised.value.reason) == (kind, code, message)


async def test_a_forbidden_answer_stops_at_once(whmcs, upstream):
    upstream.will(refused("Invalid IP 192.0.2.1", 403))
    with pytest.raises(UpstreamAuthFailed):
        await whmcs.call("GetCredits")
    assert len(upstream.asked) == 1


async def test_success_may_be_spelled_status_and_a_status_of_business_is_not_an_outcome(whmcs, upstream):
    upstream.will(Reply({"status": "success"}))
    await whmcs.call("GetPermissionsList")
    upstream.will(Reply({"result": "success", "status": "Unpaid"}))
    await whmcs.call("GetInvoice")
    upstream.will(Reply({"status": "Unpaid"}))
    with pytest.raises(UpstreamMalformed):
        await whmcs.call("GetInvoice")


async def test_no_error_shows_a_credential(whmcs, upstream):
    for reply in (Reply(HTML, 500), Reply(drop=True), refused("Invalid or missing credentials")):
        upstream.will(reply)
        with pytest.raises(UpstreamError) as raised:
            await whmcs.validate_login("a@example.com", "customer-password")
        shown = repr(raised.value) + str(raised.value) + repr(raised.value.__cause__)
        assert not any(secret in shown for secret in ("whmcs-secret", "customer-password", "a@example.com"))
