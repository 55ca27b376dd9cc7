"""The user of a login and the clients it owns, in every shape that releases of WHMCS are known or thought to use."""

import pytest

from app.errors import UpstreamAuthFailed, UpstreamError, UpstreamMalformed, UpstreamUnavailable
from app.integrations.whmcs.users import MOST_CLIENTS, MOST_PAGES, Login
from app.integrations.whmcs.wire import yes_or_no
from tests.integrations.scripted import Reply
from tests.integrations.whmcs.answers import refused, success

DENIED = Reply({"result": "error", "message": 'Invalid Permissions: API action "getusers" is not allowed'}, 403)
OWNER = [{"id": 7, "email": "a@example.com", "is_owner": True}, {"id": 8, "email": "b@example.com", "is_owner": False}]
ABSENT = object()


def details(client_id="1001", users=OWNER, owner=7, **more):
    """GetClientsDetails; `users` as the list or as it is wrapped."""
    fields = {"id": client_id, "email": "a@example.com", "status": "Active", **more}
    if owner is not ABSENT:
        fields["owner_user_id"] = owner
    if users is not ABSENT:
        fields["users"] = {"user": users} if isinstance(users, list) else users
    return success(client=fields)


def script(upstream, users, *clients):
    """GetUsers answers with this list, or as it is; GetClientsDetails with these in turn, by id."""
    known = {each.body["client"]["id"]: each for each in clients}

    def answer(asked):
        if asked.form["action"] == "GetUsers":
            return success(totalresults=len(users), users=users) if isinstance(users, list) else users
        found = known.get(asked.form.get("clientid", "1001"))
        return found or refused("Client Not Found")

    upstream.will().answer = answer


async def owned(whmcs, user_id="7"):
    return [each.record_id for each in await whmcs.clients_owned_by(user_id, "a@example.com")]


@pytest.mark.parametrize(
    "clients",
    [
        [{"id": 1001, "isOwner": True}],
        [{"id": "1001", "isOwner": "1"}],
        [{"id": 1001, "isOwner": 1}, {"id": 1002, "isOwner": 0}],
        [{"id": 1001, "isOwner": "on"}, {"id": 1002, "isOwner": ""}],
        [{"id": 1001, "is_owner": "true"}],
        [{"id": 1001}],
        [{"id": 1001, "isOwner": None}],
        [{"id": 1001, "isOwner": "perhaps"}],
        {"client": [{"id": 1001, "isOwner": True}]},
        {"client": {"id": 1001, "isOwner": True}},
        {"0": {"id": 1001, "isOwner": True}, "2": {"id": 1002, "isOwner": False}},
        [1001],
        ["1001"],
        None,
        ABSENT,
    ],
)
async def test_the_clients_of_a_user_are_read_in_every_shape(whmcs, upstream, clients):
    row = {"id": "7", "email": "a@example.com"} | ({} if clients is ABSENT else {"clients": clients})
    script(
        upstream, [{"id": 77, "email": "a@example.com.au", "clients": [{"id": 1009, "isOwner": True}]}, row], details()
    )
    assert await owned(whmcs) == ["1001"]


@pytest.mark.parametrize("clients", [[], "", {}, [{"id": 1001, "isOwner": False}], [{"id": 1001, "isOwner": "0"}]])
async def test_a_login_without_clients_owns_none_with_the_same_address(whmcs, upstream, clients):
    script(upstream, [{"id": 7, "email": "a@example.com", "clients": clients}], details())
    assert await owned(whmcs) == []


@pytest.mark.parametrize("clients", [[{"isOwner": True}], [{"id": "x"}], "7", 7, [{"id": 0, "isOwner": True}]])
async def test_what_cannot_be_read_is_no_answer(whmcs, upstream, clients):
    script(upstream, [{"id": 7, "email": "a@example.com", "clients": clients}], details())
    with pytest.raises(UpstreamMalformed):
        await owned(whmcs)


@pytest.mark.parametrize(
    ("users", "owner"),
    [
        (OWNER, 7),
        (OWNER, "7"),
        (OWNER, ABSENT),
        (OWNER, None),
        (ABSENT, 7),
        ([{"id": "7", "is_owner": "1"}], ABSENT),
        ([{"id": "7", "is_owner": "on"}], 0),
        ([{"id": 7, "isOwner": 1}], ABSENT),
        ({"user": {"id": 7, "is_owner": True}}, ABSENT),
        ([{"id": 7}], 7),
    ],
)
@pytest.mark.parametrize("reply", [DENIED, [], [{"id": 7, "email": "a@example.com"}]])
async def test_the_client_itself_names_its_owner_where_get_users_does_not(whmcs, upstream, users, owner, reply):
    script(upstream, reply, details(users=users, owner=owner))
    assert await owned(whmcs) == ["1001"]


@pytest.mark.parametrize(
    ("users", "owner"),
    [
        (ABSENT, ABSENT),
        ("", ABSENT),
        ([], ABSENT),
        ([{"id": 7}], ABSENT),
        ([{"id": 7, "is_owner": "perhaps"}], ABSENT),
        ([{"id": 7, "is_owner": False}], 7),
        ([{"id": 7, "is_owner": True}], 8),
        ([{"id": 8, "email": "a@example.com", "is_owner": True}], ABSENT),
        ([{"id": 8, "is_owner": True}], 7),
        ([{"id": 77, "is_owner": True}, {"id": 7, "is_owner": ""}], ABSENT),
    ],
)
async def test_the_address_alone_proves_nothing(whmcs, upstream, users, owner):
    script(upstream, DENIED, details(users=users, owner=owner))
    assert await owned(whmcs) == []


async def test_no_client_with_the_address_is_none(whmcs, upstream):
    script(upstream, DENIED)
    assert await owned(whmcs) == []


async def test_another_client_than_the_one_asked_for_is_no_answer(whmcs, upstream):
    users = [{"id": 7, "clients": [{"id": 1002, "isOwner": True}]}]
    upstream.will().answer = lambda asked: (
        success(totalresults=1, users=users) if asked.form["action"] == "GetUsers" else details()
    )
    with pytest.raises(UpstreamMalformed):
        await owned(whmcs)


async def test_a_client_that_went_meanwhile_is_left_out(whmcs, upstream):
    claims = [{"id": each, "isOwner": True} for each in (1001, 1002)]
    script(upstream, [{"id": 7, "clients": claims}], details())
    assert await owned(whmcs) == ["1001"]


async def test_refused_credentials_are_no_reason_to_believe(whmcs, upstream):
    upstream.will(Reply({"result": "error", "message": "Invalid or missing credentials"}, 403))
    with pytest.raises(UpstreamAuthFailed):
        await owned(whmcs)


@pytest.mark.parametrize("reply", [Reply("<html>", 500), Reply(drop=True)])
async def test_silence_about_the_owner_is_no_answer(whmcs, upstream, reply):
    claims = [{"id": 1001, "isOwner": True}]
    upstream.will().answer = lambda asked: (
        success(totalresults=1, users=[{"id": 7, "clients": claims}]) if asked.form["action"] == "GetUsers" else reply
    )
    with pytest.raises(UpstreamError):
        await owned(whmcs)


async def test_an_install_that_lists_everybody_is_not_read_to_its_end(whmcs, upstream):
    def answer(asked):
        if asked.form["action"] != "GetUsers":
            return details()
        start = int(asked.form["limitstart"])
        rows = [{"id": 10_000 + start + each, "clients": [{"id": 1009, "isOwner": True}]} for each in range(100)]
        return success(totalresults=1_000_000, users=rows)

    upstream.will().answer = answer
    assert await owned(whmcs) == ["1001"]
    assert len([form for form in upstream.forms() if form["action"] == "GetUsers"]) == MOST_PAGES


async def test_so_many_clients_are_looked_at_and_no_more(whmcs, upstream):
    ids = [str(number) for number in range(1, MOST_CLIENTS + 20)]
    claims = [{"id": each, "isOwner": True} for each in reversed(ids)]
    script(upstream, [{"id": 7, "clients": claims}], *(details(each) for each in ids))
    assert await owned(whmcs) == ids[:MOST_CLIENTS]


@pytest.mark.parametrize(
    ("answer", "second_factor"),
    [
        ({"passwordhash": "h", "twoFactorEnabled": False}, False),
        ({"passwordhash": "h", "twoFactorEnabled": "false"}, False),
        ({"passwordhash": "h", "twoFactorEnabled": 0}, False),
        ({"passwordhash": "h", "two_factor_enabled": ""}, False),
        ({"passwordhash": "h"}, False),
        ({"passwordhash": "h", "twoFactorEnabled": "true"}, True),
        ({"passwordhash": "h", "twofactorenabled": 1}, True),
        ({"passwordhash": "h", "TwoFactorEnabled": "duo"}, True),
        ({"passwordhash": "h", "twoFactorEnabled": ["duo"]}, True),
        ({"passwordhash": "", "twoFactorEnabled": False}, True),
        ({"passwordhash": None, "twoFactorEnabled": False}, True),
        ({"passwordhash": False, "twoFactorEnabled": "false"}, True),
        ({"twoFactorEnabled": False}, True),
        ({}, True),
    ],
)
async def test_a_second_factor_is_off_only_where_whmcs_clearly_says_so(whmcs, upstream, answer, second_factor):
    upstream.will(success(userid="7", **answer))
    assert await whmcs.validate_login("a@example.com", "x") == Login("7", second_factor)


@pytest.mark.parametrize("user_id", ["", None, 0, "x", -7, "7; DROP"])
async def test_a_proof_of_nobody_is_no_proof(whmcs, upstream, user_id):
    upstream.will(success(userid=user_id, passwordhash="h"))
    with pytest.raises(UpstreamUnavailable):
        await whmcs.validate_login("a@example.com", "x")


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *((each, True) for each in (True, 1, "1", "true", "TRUE", " on ", "yes")),
        *((each, False) for each in (False, 0, "0", "", "false", "Off", "no")),
        *((each, None) for each in (None, "perhaps", [], ["1"], {}, {"1": 1}, 2)),
    ],
)
def test_yes_no_and_neither(value, meant):
    assert yes_or_no(value) is meant
