"""The content of an account, by UAPI within WHM's envelope: the success of the call around it proves nothing."""

import pytest
import pytest_asyncio

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)
from app.integrations.whm import hosted
from app.integrations.whm.client import WhmClient
from tests.integrations.conftest import settings
from tests.integrations.scripted import Reply

PASSWORD = "hunter2hunter2"


def envelope(data=None, result=1, reason="OK", command="uapi_cpanel"):
    body = {"metadata": {"command": command, "result": result, "reason": reason, "version": 1}}
    return Reply(body | ({"data": data} if data is not None else {}))


def uapi(data=None, status=1, errors=None):
    answer = {"data": data, "errors": errors, "messages": None, "metadata": {}, "status": status, "warnings": None}
    return envelope({"uapi": answer})


@pytest_asyncio.fixture
async def whm(upstream):
    made = await WhmClient.open(settings(whm_url=upstream.url, whm_timeout_seconds=1.2))
    yield made
    await made.close()


WRITES = [
    (lambda whm: hosted.create_database(whm, "bob", "bob_site"), "Mysql::create_database", {"name": "bob_site"}),
    (
        lambda whm: hosted.create_database_user(whm, "bob", "bob_site", PASSWORD),
        "Mysql::create_user",
        {"name": "bob_site", "password": PASSWORD},
    ),
    (
        lambda whm: hosted.grant(whm, "bob", "bob_site", "bob_db"),
        "Mysql::set_privileges_on_database",
        {"user": "bob_site", "database": "bob_db", "privileges": "ALL PRIVILEGES"},
    ),
    (
        lambda whm: hosted.add_mailbox(whm, "bob", "info", "a.jp", PASSWORD, quota_megabytes=1024),
        "Email::add_pop",
        {"email": "info", "domain": "a.jp", "password": PASSWORD, "quota": "1024", "send_welcome_email": "0"},
    ),
    (lambda whm: hosted.check_certificates(whm, "bob"), "SSL::start_autossl_check", {}),
    (lambda whm: hosted.install_wordpress(whm, "bob"), "WordPressSite::create", {}),
]
IDS = [function for _, function, _ in WRITES]


@pytest.mark.parametrize(("call", "function", "form"), WRITES, ids=IDS)
async def test_every_write_is_a_post_in_the_accounts_name_and_a_doubt_is_left_open(whm, upstream, call, function, form):
    upstream.will(uapi())
    await call(whm)
    (asked,) = upstream.asked
    module, _, name = function.partition("::")
    within = {"cpanel.user": "bob", "cpanel.module": module, "cpanel.function": name, "api.version": "1"}
    assert (asked.method, asked.path, asked.form) == ("POST", "/json-api/uapi_cpanel", {**form, **within})
    doubtful = (Reply(drop=True), Reply(hang=2), Reply("", 500), Reply("<html>"), envelope({}), envelope(command="x"))
    for reply in doubtful:
        upstream.will(reply)
        with pytest.raises(OutcomeUnknown) as raised:
            await call(whm)
        assert raised.value.operation == function
        assert PASSWORD not in repr(raised.value) + str(raised.value)
        assert len(upstream.asked) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("You do not have the feature “wp-toolkit”.", "feature_missing"),
        ("Failed to load module “WordPressSite”: Can't locate Cpanel/API/WordPressSite.pm", "feature_missing"),
        ("The system could not find the function “create” in the module “WordPressSite”.", "feature_missing"),
        ("The database “bob_site” already exists.", "already_exists"),
        ("(XID 3y67mz) The account info@a.jp already exists!", "already_exists"),
        ("WordPress is already installed, or is being installed, on the primary domain.", "already_exists"),
        ("You have reached your maximum allotment of databases (1).", "quota_reached"),
        ("Sorry, the password strength is too low.", ""),
    ],
)
async def test_refusals_within_an_account_are_distinguished_though_the_call_succeeded(whm, upstream, error, code):
    upstream.will(uapi(status=0, errors=[error]))
    with pytest.raises(UpstreamRejected) as raised:
        await hosted.create_database(whm, "bob", "bob_site")
    assert (raised.value.operation, raised.value.vendor_code) == ("Mysql::create_database", code)
    assert "XID" not in raised.value.reason


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (envelope(result=0, reason="You do not have a user named “bob”."), UpstreamNotFound),
        (envelope(result=0, reason="Permission denied: uapi_cpanel"), UpstreamAuthFailed),
        (Reply("", 403), UpstreamAuthFailed),
        (uapi(status=0), UpstreamRejected),
    ],
)
async def test_a_call_that_did_not_come_to_the_account_is_what_it_is_elsewhere(whm, upstream, reply, kind):
    upstream.will(reply)
    with pytest.raises(UpstreamError) as raised:
        await hosted.create_database(whm, "bob", "bob_site")
    assert type(raised.value) is kind


READS = [
    hosted.databases,
    hosted.database_users,
    hosted.mailboxes,
    lambda whm, name: hosted.certificate_problem(whm, name, "a.jp"),
]


@pytest.mark.parametrize("read", READS)
async def test_an_empty_account_has_nothing_and_a_list_that_is_none_is_malformed(whm, upstream, read):
    for nothing in ([], None):
        upstream.will(uapi(nothing))
        assert not await read(whm, "bob")
    for odd in ("x", [1], [{"something": "else"}], {}):
        upstream.will(uapi(odd))
        with pytest.raises(UpstreamMalformed):
            await read(whm, "bob")
    upstream.will(Reply("", 500))
    with pytest.raises(UpstreamUnavailable):
        await read(whm, "bob")


async def test_what_is_there_is_named_in_full(whm, upstream):
    upstream.will(uapi([{"database": "bob_site", "disk_usage": 0, "users": ["bob_site"]}]))
    assert await hosted.databases(whm, "bob") == {"bob_site": {"bob_site"}}
    upstream.will(uapi([{"user": "bob_site", "shortuser": "site", "databases": []}]))
    assert await hosted.database_users(whm, "bob") == {"bob_site"}
    upstream.will(uapi([{"email": "bob"}, {"email": "Info@a.jp"}]))
    assert await hosted.mailboxes(whm, "bob") == {"bob", "info@a.jp"}
    upstream.will(uapi([{"domain": "a.jp", "problem": "It does not resolve.", "time": "2026-01-01T00:00:00.000Z"}]))
    assert await hosted.certificate_problem(whm, "bob", "a.jp") == "It does not resolve."
    assert await hosted.certificate_problem(whm, "bob", "b.jp") is None


@pytest.mark.parametrize(("data", "prefix"), [({"prefix": "bob_"}, "bob_"), ({"prefix": None}, ""), (None, "")])
async def test_names_of_databases_have_the_servers_prefix_or_none(whm, upstream, data, prefix):
    upstream.will(uapi(data))
    assert await hosted.database_prefix(whm, "bob") == prefix


@pytest.mark.parametrize(("data", "runs"), [(1, True), ("1", True), (0, False), (None, False)])
async def test_a_check_runs_or_does_not(whm, upstream, data, runs):
    upstream.will(uapi(data))
    assert await hosted.certificate_check_runs(whm, "bob") is runs


@pytest.mark.parametrize(
    ("data", "installed", "under_way", "failed"),
    [
        ({"install_status": "success", "details": {"version": "6.8.3", "plugins": {"a": {}}}}, True, False, False),
        ({"install_status": "in progress", "details": {"msg": "Copying…"}}, False, True, False),
        ({"install_status": "failed", "details": {"msg": "No."}}, False, False, True),
        ({"install_status": "not installed", "details": None}, False, False, False),
        ({"install_status": ""}, False, False, False),
    ],
)
async def test_a_site_is_there_under_way_failed_or_none_of_it(whm, upstream, data, installed, under_way, failed):
    upstream.will(uapi(data))
    site = await hosted.wordpress(whm, "bob")
    assert (site.installed, site.under_way, site.failed) == (installed, under_way, failed)
    assert site.plugins == ({"a"} if installed else set())


@pytest.mark.parametrize("data", [None, [], "success", {}, {"install_status": None}])
async def test_a_site_without_a_status_is_malformed(whm, upstream, data):
    upstream.will(uapi(data))
    with pytest.raises(UpstreamMalformed):
        await hosted.wordpress(whm, "bob")
