"""The WHM client: HTTP 200 for everything, sentences for errors, and answers with passwords in them."""

import pytest
import pytest_asyncio

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
from app.integrations.whm.client import NewHostingAccount, WhmClient
from tests.integrations.conftest import settings
from tests.integrations.scripted import Reply

NEW = NewHostingAccount("cabc1234", "a.example.jp", "basic", "a@example.com")


def answer(command, result=1, reason="OK", data=None, **metadata):
    body = {"metadata": {"command": command, "result": result, "reason": reason, "version": 1, **metadata}}
    return Reply(body | ({"data": data} if data is not None else {}))


@pytest_asyncio.fixture
async def whm(upstream):
    made = await WhmClient.open(settings(whm_url=upstream.url + "/", whm_timeout_seconds=1.2))
    yield made
    await made.close()


async def test_an_account_is_created_by_post_without_asking_for_the_password(whm, upstream):
    upstream.will(answer("createacct", data={"ip": "192.0.2.1"}))
    await whm.create_account(NEW)
    (asked,) = upstream.asked
    assert (asked.method, asked.path) == ("POST", "/json-api/createacct")
    assert asked.headers["authorization"] == "whm reseller:whm-token"
    assert asked.form == {
        "username": "cabc1234",
        "domain": "a.example.jp",
        "plan": "basic",
        "contactemail": "a@example.com",
        "showpass": "n",
        "api.version": "1",
    }


async def test_only_the_account_of_exactly_that_name_is_found(whm, upstream):
    rows = [{"user": "bobby", "domain": "b.jp"}, {"user": "bob", "domain": "a.jp", "suspended": "1", "plan": "basic"}]
    upstream.will(answer("listaccts", data={"acct": rows}))
    found = await whm.account("bob")
    assert found is not None
    assert (found.domain, found.suspended, found.plan) == ("a.jp", True, "basic")
    assert upstream.forms()[0]["searchmethod"] == "exact"
    assert await whm.account("bo") is None
    upstream.will(answer("listaccts", data={"acct": []}))
    assert await whm.account("bob") is None


async def test_only_the_account_of_exactly_that_domain_is_found(whm, upstream):
    rows = [{"user": "bob", "domain": "www.a.jp"}, {"user": "eve", "domain": "A.jp "}]
    upstream.will(answer("listaccts", data={"acct": rows}))
    found = await whm.hosting("a.jp")
    assert found is not None
    assert found.username == "eve"
    form = upstream.forms()[0]
    assert (form["searchtype"], form["search"], form["searchmethod"]) == ("domain", "a.jp", "exact")
    upstream.will(answer("listaccts", data={"acct": rows[:1]}))
    assert await whm.hosting("a.jp") is None
    for unknown in ({"acct": [{"user": "bob"}]}, {"acct": ["bob"]}, {"acct": None}):
        upstream.will(answer("listaccts", data=unknown))
        with pytest.raises(UpstreamMalformed):
            await whm.hosting("a.jp")


async def test_the_version_is_a_probe(whm, upstream):
    upstream.will(answer("version", data={"version": "11.138.0.1"}))
    assert await whm.version() == "11.138.0.1"


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("API failure: (XID 3y67mz) a group for that username already exists", UpstreamRejected, "username_taken"),
        ("(XID ab12) Sorry, a passwd entry for that username already exists.", UpstreamRejected, "username_taken"),
        ("The domain “a.jp” already exists in the userdata.", UpstreamRejected, "domain_taken"),
        ("A DNS entry for a.jp already exists.", UpstreamRejected, "domain_taken"),
        ("Sorry, that's an invalid domain.", UpstreamRejected, ""),
        ("The package “gold” does not exist.", UpstreamRejected, "package_missing"),
        ("You do not have a user named “bob”.", UpstreamNotFound, "absent"),
        ("You do not have access to an account named “bob”.", UpstreamRejected, "other_owner"),
        ("Permission denied", UpstreamAuthFailed, "refused"),
        ("You have reached your account limit", UpstreamBusy, "capacity"),
    ],
)
async def test_reasons_are_distinguished_by_pattern(whm, upstream, reason, kind, code):
    upstream.will(answer("createacct", 0, reason))
    with pytest.raises(UpstreamError) as raised:
        await whm.create_account(NEW)
    assert (type(raised.value), raised.value.vendor_code) == (kind, code)
    assert "XID" not in raised.value.reason


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"cpanelresult": {"error": "Access denied"}}),
        Reply({"statusmsg": "Permission denied", "status": 0}),
        Reply("<html>login</html>", 401),
        Reply("", 403),
    ],
)
async def test_an_authentication_refusal_has_another_shape_and_the_same_meaning(whm, upstream, reply):
    upstream.will(reply)
    with pytest.raises(UpstreamAuthFailed):
        await whm.create_account(NEW)


@pytest.mark.parametrize(
    "reply",
    [Reply(drop=True), Reply(hang=2), Reply("", 500), Reply("<html>"), Reply({"result": []}), answer("listaccts")],
    ids=["dropped", "silent", "500", "html", "api-0", "other-command"],
)
async def test_a_create_with_a_doubtful_answer_is_sent_once_and_left_open(whm, upstream, reply):
    upstream.will(reply)
    with pytest.raises(OutcomeUnknown):
        await whm.create_account(NEW)
    assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(drop=True), UpstreamUnavailable),
        (Reply("", 500), UpstreamUnavailable),
        (Reply("<html>"), UpstreamMalformed),
    ],
)
async def test_a_read_with_a_doubtful_answer_may_be_repeated(whm, upstream, reply, kind):
    upstream.will(reply)
    with pytest.raises(kind):
        await whm.account("bob")


async def test_no_error_shows_the_token_or_the_servers_log(whm, upstream):
    raw = "Password: hunter2"
    upstream.will(answer("createacct", 0, "Sorry, that's an invalid domain.", output={"raw": raw}))
    with pytest.raises(UpstreamRejected) as raised:
        await whm.create_account(NEW)
    assert not any(secret in repr(raised.value) + str(raised.value) for secret in ("hunter2", "whm-token"))


@pytest.mark.parametrize(
    ("call", "function", "form"),
    [
        (
            lambda whm: whm.suspend("bob", "Payment overdue"),
            "suspendacct",
            {"user": "bob", "reason": "Payment overdue", "disallowun": "0"},
        ),
        (lambda whm: whm.unsuspend("bob"), "unsuspendacct", {"user": "bob"}),
        (lambda whm: whm.change_package("bob", "Hosting Pro"), "changepackage", {"user": "bob", "pkg": "Hosting Pro"}),
        (lambda whm: whm.remove_account("bob"), "removeacct", {"username": "bob"}),
    ],
)
async def test_an_account_is_changed_by_post_and_a_doubt_is_left_open(whm, upstream, call, function, form):
    upstream.will(answer(function))
    await call(whm)
    (asked,) = upstream.asked
    assert (asked.path, asked.form) == (f"/json-api/{function}", {**form, "api.version": "1"})
    for reply in (Reply(drop=True), Reply(hang=2), Reply("", 500), Reply("<html>"), answer("listaccts")):
        upstream.will(reply)
        with pytest.raises(OutcomeUnknown):
            await call(whm)
        assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("The account is already suspended.", UpstreamRejected, "already_suspended"),
        ("The account is not suspended.", UpstreamRejected, "not_suspended"),
        ("You do not have permission to unsuspend this account.", UpstreamRejected, "locked"),
        ("Specified package “gold” does not exist.", UpstreamRejected, "package_missing"),
        ("(XID ab12) You do not have a user named “bob”.", UpstreamNotFound, "absent"),
        ("Permission denied: suspendacct", UpstreamAuthFailed, "refused"),
    ],
)
async def test_refusals_of_changes_are_distinguished(whm, upstream, reason, kind, code):
    upstream.will(answer("suspendacct", 0, reason))
    with pytest.raises(UpstreamError) as raised:
        await whm.suspend("bob", "x")
    assert (type(raised.value), raised.value.vendor_code) == (kind, code)


@pytest.mark.parametrize(
    ("used", "limit", "megabytes"),
    [
        ("14M", "500M", (14, 500)),
        ("1.5G", "2G", (1536, 2048)),
        ("512K", "unlimited", (0, None)),
        ("*unknown*", "", (None, None)),
    ],
)
async def test_a_summary_shows_what_an_account_uses(whm, upstream, used, limit, megabytes):
    row = {"user": "bob", "domain": "a.jp", "diskused": used, "disklimit": limit, "suspendreason": "not suspended"}
    upstream.will(answer("accountsummary", data={"acct": [row]}))
    found = await whm.summary("bob")
    assert found is not None
    assert (found.disk_used_megabytes, found.disk_limit_megabytes) == megabytes
    assert (found.suspended, found.suspend_reason, found.locked) == (False, "", False)


async def test_a_summary_of_nobody_is_nothing_and_of_somebody_else_too(whm, upstream):
    upstream.will(answer("accountsummary", 0, "You do not have a user named “bob”."))
    assert await whm.summary("bob") is None
    upstream.will(answer("accountsummary", data={"acct": [{"user": "bobby"}]}))
    assert await whm.summary("bob") is None


async def test_a_session_is_the_url_as_it_stands(whm, upstream):
    url = "https://h:2083/cpsess1/login/?session=bob:s3cret"
    upstream.will(answer("create_user_session", data={"url": url, "expires": 1_800_000_000}))
    session = await whm.control_panel("bob")
    assert session.url == url
    assert session.expires_at.timestamp() == 1_800_000_000
    assert upstream.forms()[0]["service"] == "cpaneld"


@pytest.mark.parametrize(
    "data", [{}, {"url": "http://h/?session=bob:s3cret", "expires": 1}, {"url": "https://h/?session=bob:s3cret"}]
)
async def test_a_session_that_is_none_is_malformed_and_its_error_holds_no_secret(whm, upstream, data):
    upstream.will(answer("create_user_session", data=data))
    with pytest.raises(UpstreamMalformed) as raised:
        await whm.control_panel("bob")
    assert "s3cret" not in repr(raised.value) + str(raised.value)


def rows(*users, **more):
    return {"acct": [{"user": user, "domain": f"{user}.jp", "suspended": 0, **more} for user in users]}


async def test_a_list_is_read_page_by_page_and_each_name_once(whm, upstream, monkeypatch):
    monkeypatch.setattr("app.integrations.whm.client.PAGE", 2)
    upstream.will(
        answer("listaccts", data=rows("a", "b")),
        answer("listaccts", data=rows("b", "c")),  # a row moved while the list was read
        answer("listaccts", data=rows("d")),
    )
    found = await whm.accounts()
    assert ([each.username for each in found.accounts], found.complete) == (["d", "b", "c", "a"], True) or sorted(
        each.username for each in found.accounts
    ) == ["a", "b", "c", "d"]
    assert [form["api.chunk.start"] for form in upstream.forms()] == ["1", "3", "5"]
    assert "email" not in upstream.forms()[0]["want"]


async def test_a_server_that_knows_no_pages_is_asked_twice_and_not_for_ever(whm, upstream, monkeypatch):
    monkeypatch.setattr("app.integrations.whm.client.PAGE", 2)
    for _ in range(3):
        upstream.will(answer("listaccts", data=rows("a", "b", "c")))
    found = await whm.accounts()
    assert (len(found.accounts), found.complete, len(upstream.forms())) == (3, True, 2)


async def test_a_list_without_an_end_is_not_complete(whm, upstream, monkeypatch):
    monkeypatch.setattr("app.integrations.whm.client.PAGE", 1)
    monkeypatch.setattr("app.integrations.whm.client.MOST_PAGES", 2)
    upstream.will(answer("listaccts", data=rows("a")), answer("listaccts", data=rows("b")))
    assert not (await whm.accounts()).complete


async def test_one_bad_row_hides_no_other_and_no_list_is_no_answer(whm, upstream):
    bad = {"acct": ["x", {"domain": "b.jp"}, *rows("a")["acct"]]}
    upstream.will(answer("listaccts", data=bad))
    assert [each.username for each in (await whm.accounts()).accounts] == ["a"]
    upstream.will(answer("listaccts", data={"rows": []}))
    with pytest.raises(UpstreamMalformed):
        await whm.accounts()


@pytest.mark.parametrize(
    ("said", "suspended", "known"),
    [(0, False, True), ("1", True, True), (True, True, True), ("perhaps", False, False), (None, False, False)],
)
async def test_a_suspension_that_cannot_be_read_is_unknown(whm, upstream, said, suspended, known):
    upstream.will(answer("listaccts", data=rows("a", suspended=said)))
    [found] = (await whm.accounts()).accounts
    assert (found.suspended, found.state_known) == (suspended, known)


async def test_privileges_are_granted_by_1_as_number_or_text(whm, upstream):
    said = [{"suspend-acct": "1", "list-accts": 1, "kill-acct": 0, "all": "", "passwd": None}]
    upstream.will(answer("myprivs", data={"privileges": said}))
    assert await whm.privileges() == {"suspend-acct", "list-accts"}
