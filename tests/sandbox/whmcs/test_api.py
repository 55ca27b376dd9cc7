"""WHMCS's API over TLS: gates, form dialect, and the quirks that clients must bear."""

import base64

import httpx
import pytest

from tests.sandbox.conftest import SandboxProcess, Whmcs, browser


def serialized(values: dict[int, str]) -> str:
    """PHP's serialisation of a map, in base64; lengths are bytes."""
    pairs = "".join(f'i:{key};s:{len(text.encode())}:"{text}";' for key, text in values.items())
    return base64.b64encode(f"a:{len(values)}:{{{pairs}}}".encode()).decode()


NEW = {
    "firstname": "Kenji",
    "lastname": "O'Hara",
    "email": "kenji@example.com",
    "address1": "1-1",
    "city": "Chiyoda-ku",
    "state": "Tokyo",
    "postcode": "100-0001",
    "country": "JP",
    "phonenumber": "03-0000-0000",
    "password2": "a-password-of-his",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"secret": "wrong"}, "Invalid or missing credentials"),
        ({"identifier": ""}, "Invalid or missing credentials"),
        ({"action": "DropTables"}, 'Invalid Permissions: API action "droptables" is not allowed'),
    ],
)
def test_a_gate_answers_403_with_a_json_body(whmcs: Whmcs, change: dict[str, str], message: str) -> None:
    fields = {"action": "WhmcsDetails", "responsetype": "json", "identifier": whmcs.identifier, "secret": whmcs.secret}
    response = whmcs.http.post("/includes/api.php", data=fields | change)
    assert response.status_code == 403
    assert response.json() == {"result": "error", "message": message}


def test_an_address_that_is_not_allowed_is_refused_before_credentials_are_looked_at(
    whmcs: Whmcs, control: httpx.Client
) -> None:
    control.put("/whmcs/access", json={"allowed_ips": ["203.0.113.9"]}).raise_for_status()
    response = whmcs.http.post("/includes/api.php", data={"action": "WhmcsDetails", "responsetype": "json"})
    assert (response.status_code, response.json()["message"]) == (403, "Invalid IP 127.0.0.1")
    allowed = whmcs.ask("WhmcsDetails", accesskey="sandbox-access-key")
    assert allowed.json()["result"] == "success"


def test_an_action_outside_the_role_is_refused_and_a_permitted_one_that_does_not_exist_is_a_business_error(
    whmcs: Whmcs, control: httpx.Client
) -> None:
    control.put("/whmcs/access", json={"denied_actions": ["AddOrder"]}).raise_for_status()
    assert whmcs.ask("addorder").status_code == 403
    assert whmcs.refusal("GetStats") == "API Function Not Found"


def test_action_names_match_in_any_case_and_unknown_parameters_are_ignored(whmcs: Whmcs) -> None:
    found = whmcs.call("gEtClIeNtSdEtAiLs", clientid=1001, colour="red")
    assert found["client"]["email"] == "customer001@example.com"


def test_without_responsetype_the_answer_is_xml(whmcs: Whmcs) -> None:
    fields = {"action": "WhmcsDetails", "identifier": whmcs.identifier, "secret": whmcs.secret}
    response = whmcs.http.post("/includes/api.php", data=fields)
    assert "<whmcsapi" in response.text
    assert "<canonicalversion>8.13" in response.text


def test_a_new_client_can_be_found_by_address_and_carries_its_custom_fields(whmcs: Whmcs) -> None:
    made = whmcs.call("AddClient", **NEW, customfields=serialized({198: "C-900001", 203: "日本"}))
    found = whmcs.call("GetClientsDetails", email="KENJI@example.com")["client"]
    assert found["id"] == made["clientid"]
    assert {field["id"]: field["value"] for field in found["customfields"]}[198] == "C-900001"
    assert found["customfields1"] == "C-900001"
    assert {field["id"]: field["value"] for field in found["customfields"]}[203] == "日本"
    assert whmcs.call("GetUsers", search="kenji@")["users"][0]["clients"] == [{"id": made["clientid"], "isOwner": True}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"firstname": ""}, "You did not enter your first name"),
        ({"email": "nonsense"}, "The email address you entered was not valid"),
        ({"country": "Japan"}, "Valid country required"),
        ({"email": "CUSTOMER001@example.com"}, "The email address entered is not available for use."),
        ({"customfields": "bm90IHBocA=="}, "Invalid serialized value for customfields"),
        ({"customfields": base64.b64encode(b'O:3:"Foo":0:{}').decode()}, "Invalid serialized value for customfields"),
    ],
)
def test_a_client_that_cannot_be_made_is_refused_in_one_sentence_and_leaves_nothing(
    whmcs: Whmcs, control: httpx.Client, change: dict[str, str], message: str
) -> None:
    before = control.get("/whmcs/clients").json()["total"]
    assert whmcs.refusal("AddClient", **{**NEW, **change}) == message
    assert control.get("/whmcs/clients").json()["total"] == before


def test_text_comes_back_with_html_entities_and_slashes_escaped_as_php_does(whmcs: Whmcs) -> None:
    made = whmcs.call("AddClient", **NEW)
    response = whmcs.ask("GetClientsDetails", clientid=made["clientid"])
    assert response.json()["client"]["lastname"] == "O&#039;Hara"
    raw = whmcs.ask("GetConfigurationValue", setting="SystemURL").text
    assert "https:\\/\\/localhost" in raw


def test_a_login_is_proved_with_the_users_password(whmcs: Whmcs, sandbox_process: SandboxProcess) -> None:
    person = sandbox_process.state["customers"][0]
    good = whmcs.call("ValidateLogin", email=person["email"], password2=person["password"])
    assert good["userid"] == 6001
    assert whmcs.refusal("ValidateLogin", email=person["email"], password2="x") == "Email or Password Invalid"


def test_lists_are_cut_at_25_unless_asked_and_pages_do_not_overlap(whmcs: Whmcs) -> None:
    first = whmcs.call("GetClients", orderby="id")
    assert (first["totalresults"], first["numreturned"]) == (200, 25)
    second = whmcs.call("GetClients", orderby="id", limitstart=25, limitnum=100)
    assert second["numreturned"] == 100
    assert not {each["id"] for each in first["clients"]["client"]} & {
        each["id"] for each in second["clients"]["client"]
    }


def test_updating_a_client_keeps_what_was_left_empty(whmcs: Whmcs) -> None:
    whmcs.call("UpdateClient", clientid=1001, city="Sapporo", address1="")
    found = whmcs.call("GetClientsDetails", clientid=1001)["client"]
    assert found["city"] == "Sapporo"
    assert found["address1"]
    assert whmcs.refusal("UpdateClient", clientid=1001, email="customer002@example.com") == "Duplicate Email Address"


def test_reads_hold_secrets_and_localised_dates(whmcs: Whmcs, control: httpx.Client) -> None:
    card = whmcs.call("GetPayMethods", clientid=1001)["paymethods"][0]
    assert card["remote_token"].startswith("cus_")
    assert card["last_updated"][2] == card["last_updated"][5] == "/"
    hosting = next(each for each in control.get("/whmcs/services").json()["records"] if each["username"])
    shown = whmcs.call("GetClientsProducts", serviceid=hosting["id"])["products"]["product"][0]
    assert shown["password"]
    assert all(isinstance(value, str) for key, value in shown.items() if key not in ("customfields", "configoptions"))


def test_cards_cannot_be_added_by_api(whmcs: Whmcs) -> None:
    message = whmcs.refusal("AddPayMethod", clientid=1001, card_number="4242424242424242", card_expiry="1230")
    assert message == "No Local Credit Card Payment Gateways Enabled"


def test_a_multipart_form_is_read_like_any_other(whmcs: Whmcs) -> None:
    fields = {"action": "WhmcsDetails", "responsetype": "json", "identifier": whmcs.identifier, "secret": whmcs.secret}
    response = whmcs.http.post("/includes/api.php", files={name: (None, value) for name, value in fields.items()})
    assert response.json()["whmcs"]["version"] == "8.13.1"


def test_http_and_https_serve_the_same_install(sandbox_process: SandboxProcess, whmcs: Whmcs) -> None:
    with httpx.Client(base_url=sandbox_process.state["whmcs"]["http_url"], trust_env=False) as plain:
        other = Whmcs(plain, whmcs.identifier, whmcs.secret)
        other.call("UpdateClient", clientid=1002, city="Naha")
    assert whmcs.call("GetClientsDetails", clientid=1002)["client"]["city"] == "Naha"


def test_only_post_reaches_the_api(sandbox_process: SandboxProcess, control: httpx.Client) -> None:
    with browser(sandbox_process, "whmcs") as http:
        assert http.get("/includes/api.php").status_code == 405
