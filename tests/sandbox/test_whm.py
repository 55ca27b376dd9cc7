"""WHM: failures under HTTP 200, an older shape without api.version, searches that match too much."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import Stand, browser


@dataclass
class Whm:
    """The API with a good token."""

    http: httpx.Client

    def post(self, function: str, **params: str) -> dict[str, Any]:
        response = self.http.post(f"/json-api/{function}", data={"api.version": "1", **params})
        assert response.status_code == 200
        answer: dict[str, Any] = response.json()
        assert answer["metadata"]["command"] == function
        return answer

    def call(self, function: str, **params: str) -> dict[str, Any]:
        answer = self.post(function, **params)
        assert answer["metadata"]["result"] == 1, answer
        return dict(answer.get("data") or {})

    def refusal(self, function: str, **params: str) -> str:
        answer = self.post(function, **params)
        assert answer["metadata"]["result"] == 0
        assert "data" not in answer
        return str(answer["metadata"]["reason"])


NEW = {"username": "cshop01", "domain": "shop.example.jp", "plan": "Hosting Basic", "contactemail": "shop@example.com"}


@pytest.fixture
def whm(stand: Stand, control: httpx.Client) -> Iterator[Whm]:
    known = stand.state["whm"]
    with browser(stand, "whm", headers={"Authorization": f"whm {known['user']}:{known['token']}"}) as http:
        yield Whm(http)


def test_a_wrong_token_is_refused_with_403_in_a_shape_of_its_own(stand: Stand) -> None:
    with browser(stand, "whm", headers={"Authorization": "Bearer x"}) as http:
        response = http.post("/json-api/version", data={"api.version": "1"})
    assert response.status_code == 403
    assert response.json()["cpanelresult"]["error"] == "Access denied"


def test_an_account_is_created_and_its_password_shows_in_raw_unless_forbidden(whm: Whm, control: httpx.Client) -> None:
    loud = whm.post("createacct", **NEW)
    assert "PassWord: " in loud["metadata"]["output"]["raw"]
    quiet = whm.post("createacct", **{**NEW, "username": "cother1", "domain": "o.example.jp"}, showpass="n")
    assert "PassWord" not in quiet["metadata"]["output"]["raw"]
    assert quiet["data"]["package"] == "Hosting Basic"
    kept = control.get("/whm/accounts", params={"user": "cshop01"}).json()["records"]
    assert [(each["domain"], each["suspended"]) for each in kept] == [("shop.example.jp", False)]
    assert "password" not in kept[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"username": "cshop01x"}, None),
        ({"username": "cshop01", "domain": "two.example.jp"}, "a group for that username already exists"),
        ({"username": "other"}, "already exists in the userdata"),
        ({"username": "test1", "domain": "two.example.jp"}, "invalid username"),
        ({"username": "1abc", "domain": "two.example.jp"}, "invalid username"),
        ({"username": "other", "domain": "nonsense"}, "invalid domain"),
        ({"username": "other", "domain": "two.example.jp", "plan": "Huge"}, "does not exist"),
    ],
)
def test_a_refused_creation_says_why_under_http_200(whm: Whm, change: dict[str, str], words: str | None) -> None:
    whm.call("createacct", **NEW)
    given = {**NEW, **change}
    if words is None:
        given["domain"] = "three.example.jp"
        whm.call("createacct", **given)
    else:
        assert words in whm.refusal("createacct", **given)


def test_the_first_eight_characters_of_a_name_are_taken_for_good(whm: Whm) -> None:
    whm.call("createacct", **{**NEW, "username": "longname1"})
    reason = whm.refusal("createacct", **{**NEW, "username": "longname2", "domain": "two.example.jp"})
    assert reason.startswith("API failure: (XID ")
    assert "already exists" in reason


def test_a_search_is_a_regular_expression_unless_told_otherwise(whm: Whm) -> None:
    for name in ("bob", "bobby"):
        whm.call("createacct", **{**NEW, "username": name, "domain": f"{name}.example.jp"})
    search = {"searchtype": "user", "search": "bob"}
    assert {each["user"] for each in whm.call("listaccts", **search)["acct"]} == {"bob", "bobby"}
    exact = whm.call("listaccts", **search, searchmethod="exact", want="user,plan")["acct"]
    assert exact == [{"user": "bob", "plan": "Hosting Basic"}]
    assert "invalid" in whm.refusal("listaccts", searchtype="user", search="(").lower()


def test_an_account_is_suspended_released_moved_and_removed(whm: Whm) -> None:
    whm.call("createacct", **NEW)
    whm.call("suspendacct", user="cshop01", reason="Overdue")
    shown = whm.call("accountsummary", user="cshop01")["acct"][0]
    assert (shown["suspended"], shown["suspendreason"]) == (1, "Overdue")
    assert "already suspended" in whm.refusal("suspendacct", user="cshop01")
    whm.call("unsuspendacct", user="cshop01")
    assert whm.call("accountsummary", domain="shop.example.jp")["acct"][0]["suspendreason"] == "not suspended"
    whm.call("changepackage", user="cshop01", pkg="Hosting Pro")
    assert whm.call("accountsummary", user="cshop01")["acct"][0]["plan"] == "Hosting Pro"
    whm.call("removeacct", username="cshop01")
    assert "You do not have a user named" in whm.refusal("accountsummary", user="cshop01")


def test_what_root_locked_a_reseller_cannot_release(whm: Whm) -> None:
    whm.call("createacct", **NEW)
    whm.call("suspendacct", user="cshop01", reason="Abuse", disallowun="1")
    assert "do not have permission" in whm.refusal("unsuspendacct", user="cshop01")


def test_a_session_link_carries_its_session(whm: Whm) -> None:
    whm.call("createacct", **NEW)
    session = whm.call("create_user_session", user="cshop01", service="cpaneld")
    assert session["session"] in session["url"]
    assert session["cp_security_token"] in session["url"]


def test_without_api_version_the_answer_has_the_older_shape(whm: Whm) -> None:
    response = whm.http.post("/json-api/createacct", data=NEW)
    [row] = response.json()["result"]
    assert row["status"] == 1
    assert "metadata" not in response.json()


def test_what_the_token_may_not_call_is_a_result_of_zero(whm: Whm, control: httpx.Client) -> None:
    control.put("/whm/denied", json={"functions": ["removeacct"]}).raise_for_status()
    assert "Permission denied" in whm.refusal("removeacct", username="x")
    assert whm.refusal("rm_rf") == "Function not found"


def test_packages_carry_the_names_of_the_hosting_plans(whm: Whm) -> None:
    packages = {each["name"]: each["QUOTA"] for each in whm.call("listpkgs")["pkg"]}
    assert set(packages) == {"default", "Hosting Basic", "Hosting Pro", "Hosting Business"}
    assert all(isinstance(quota, str) for quota in packages.values())
    assert whm.call("myprivs")["privileges"][0]["create-acct"] == "1"
    assert whm.call("version")["version"].startswith("11.")
