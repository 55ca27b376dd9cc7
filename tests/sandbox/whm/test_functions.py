"""WHM: failures under HTTP 200, an older shape without api.version, searches that match too much."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import SandboxProcess, browser


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
def whm(sandbox_process: SandboxProcess, control: httpx.Client) -> Iterator[Whm]:
    known = sandbox_process.state["whm"]
    with browser(sandbox_process, "whm", headers={"Authorization": f"whm {known['user']}:{known['token']}"}) as http:
        yield Whm(http)


def test_a_wrong_token_is_refused_with_403_in_a_shape_of_its_own(sandbox_process: SandboxProcess) -> None:
    with browser(sandbox_process, "whm", headers={"Authorization": "Bearer x"}) as http:
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


def uapi(whm: Whm, function: str, **params: str) -> dict[str, Any]:
    """Return the answer of a UAPI function within the call, which succeeds either way."""
    module, _, name = function.partition("::")
    within = {"cpanel.user": "cshop01", "cpanel.module": module, "cpanel.function": name}
    answer: dict[str, Any] = whm.call("uapi_cpanel", **within, **params)["uapi"]
    assert set(answer) == {"data", "errors", "messages", "metadata", "status", "warnings"}
    return answer


def test_what_is_made_in_an_account_is_listed_there_and_made_once(whm: Whm) -> None:
    whm.call("createacct", **NEW)
    for function, params, listed in (
        ("Mysql::create_database", {"name": "cshop01_site"}, "Mysql::list_databases"),
        ("Mysql::create_user", {"name": "cshop01_site", "password": "long enough"}, "Mysql::list_users"),
        ("Email::add_pop", {"email": "info", "password": "long enough"}, "Email::list_pops"),
    ):
        assert uapi(whm, function, **params)["status"] == 1
        again = uapi(whm, function, **params)
        assert (again["status"], again["data"]) == (0, None)
        assert "already exists" in again["errors"][0]
        assert len(uapi(whm, listed)["data"]) == (2 if "Email" in listed else 1)
    granted = {"user": "cshop01_site", "database": "cshop01_site", "privileges": "ALL PRIVILEGES"}
    for _ in range(2):
        assert uapi(whm, "Mysql::set_privileges_on_database", **granted)["status"] == 1
    assert uapi(whm, "Mysql::list_databases")["data"][0]["users"] == ["cshop01_site"]
    assert uapi(whm, "Email::list_pops")["data"][1]["email"] == "info@shop.example.jp"


@pytest.mark.parametrize(
    ("function", "params", "words"),
    [
        ("Mysql::create_database", {"name": "site"}, "does not begin with the required prefix “cshop01_”"),
        ("Mysql::create_database", {}, "“name” is required"),
        ("Mysql::create_user", {"name": "cshop01_a", "password": "short"}, "password strength"),
        (
            "Mysql::set_privileges_on_database",
            {"user": "a", "database": "b", "privileges": "ALL"},
            "do not have access",
        ),
        ("Email::add_pop", {"email": "cpanel", "password": "long enough"}, "cannot be used"),
        ("Email::add_pop", {"email": "info", "domain": "b.jp", "password": "long enough"}, "do not own"),
        ("Mysql::make_coffee", {}, "could not find the function “make_coffee” in the module “Mysql”"),
        ("Coffee::make", {}, "Failed to load module “Coffee”"),
    ],
)
def test_a_refusal_within_an_account_is_a_status_of_zero(
    whm: Whm, function: str, params: dict[str, str], words: str
) -> None:
    whm.call("createacct", **NEW)
    answer = uapi(whm, function, **params)
    assert answer["status"] == 0
    assert words in answer["errors"][0]


def test_a_server_may_lack_features_and_room(whm: Whm, control: httpx.Client) -> None:
    whm.call("createacct", **NEW)
    control.patch("/whm/server", json={"missing": ["wp-toolkit"], "limits": {"databases": 0}}).raise_for_status()
    assert uapi(whm, "WordPressSite::create")["errors"] == ["You do not have the feature “wp-toolkit”."]
    assert "maximum allotment of databases" in uapi(whm, "Mysql::create_database", name="cshop01_a")["errors"][0]


def test_certificates_and_sites_take_their_time(whm: Whm, control: httpx.Client) -> None:
    whm.call("createacct", **NEW)
    control.patch("/whm/server", json={"delay_seconds": 60, "unreachable": ["shop.example.jp"]}).raise_for_status()
    assert uapi(whm, "WordPressSite::retrieve")["data"]["install_status"] == "not installed"
    for function in ("SSL::start_autossl_check", "WordPressSite::create"):
        assert uapi(whm, function)["status"] == 1
    assert "already" in uapi(whm, "WordPressSite::create")["errors"][0]
    assert uapi(whm, "SSL::is_autossl_check_in_progress")["data"] == 1
    assert uapi(whm, "SSL::get_autossl_problems")["data"] == []
    assert uapi(whm, "WordPressSite::retrieve")["data"]["install_status"] == "in progress"
    control.put("/clock", json={"advance_seconds": 61}).raise_for_status()
    assert uapi(whm, "SSL::is_autossl_check_in_progress")["data"] == 0
    [problem] = uapi(whm, "SSL::get_autossl_problems")["data"]
    assert problem["domain"] == "shop.example.jp"
    site = uapi(whm, "WordPressSite::retrieve")["data"]
    assert (site["install_status"], set(site["details"]["plugins"])) == ("success", {"wordfence", "wp-super-cache"})
