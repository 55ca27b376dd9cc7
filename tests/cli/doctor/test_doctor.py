"""`portal doctor` finds what is wrong, says what to do, and is silent where nothing is."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import type_of_portal
from tests.conftest import Sandbox


@pytest.fixture
def examined(environment: dict[str, str], sandbox: Sandbox) -> Any:
    """`portal doctor --json` with settings of this test changed; exit status and checks by name (area for `api`)."""

    def run(**changed: str) -> tuple[int, dict[str, dict[str, Any]]]:
        argv = [sys.executable, "-m", "app.cli", "doctor", "--json"]
        ended = subprocess.run(argv, env=environment | changed, capture_output=True, text=True, timeout=90)
        assert ended.returncode in (0, 1), ended.stderr
        found = json.loads(ended.stdout)["checks"]
        return ended.returncode, {each["area"] if each["check"] == "api" else each["check"]: each for each in found}

    return run


def test_without_an_api_the_org_and_the_engines_are_examined_all_the_same(examined):
    status, found = examined(PUBLIC_URL="http://127.0.0.1:9")
    assert status == 1
    failed = [name for name, each in found.items() if each["status"] == "failed"]
    assert failed == ["door", "jobs", "feeds"]
    assert "portal worker" in found["jobs"]["advice"]
    assert "portal cdc" in found["feeds"]["advice"]
    assert "portal api" in found["door"]["advice"]
    assert (found["worker"]["status"], "door" in found["worker"]["detail"]) == ("skipped", True)
    assert {"Account", "Order", "OrderItem", "Product2", "Case", "Opportunity", "SIM_Inventory__c"} <= set(found)
    for name, setting in (
        ("change event canary", "SALESFORCE_CANARY_ACCOUNT_ID"),
        ("webhook canary", "WHMCS_CANARY_CLIENT_ID"),
        ("scanner", "ATTACHMENT_SCANNER"),
    ):
        assert (found[name]["status"], setting in found[name]["detail"]) == ("skipped", True), "off, and it says so"
    assert found["/data/Portal__chn"]["status"] == found["/event/Account_Eligibility_Update__e"]["status"] == "ok"


@pytest.mark.parametrize(
    ("changed", "check", "advice"),
    [
        ({"DATABASE_URL": "postgresql://127.0.0.1:9/none"}, "postgres", "DATABASE_URL"),
        ({"REDIS_URL": "redis://127.0.0.1:9"}, "redis", "REDIS_URL"),
        ({"SALESFORCE_CLIENT_ID": "another app"}, "login", "SALESFORCE_CLIENT_ID"),
        ({"SALESFORCE_TOKEN_URL": "https://127.0.0.1:9/token"}, "login", "SALESFORCE_TOKEN_URL"),
        ({"SALESFORCE_PRIVATE_KEY_FILE": "/nonexistent"}, "login", "SALESFORCE_PRIVATE_KEY_FILE"),
        ({"SALESFORCE_PRICEBOOK_ID": "01s000000000999AAA"}, "price book", "SALESFORCE_PRICEBOOK_ID"),
        ({"SALESFORCE_CHANNEL": "/data/Other__chn"}, "/data/Other__chn", "deploy/salesforce"),
        ({"WHMCS_SECRET": "wrong"}, "whmcs", "WHMCS_SECRET"),
        ({"WHMCS_URL": "http://127.0.0.1:9"}, "whmcs", "WHMCS_URL"),
        ({"WHMCS_PAYMENT_METHOD": "barter"}, "whmcs", "WHMCS_PAYMENT_METHOD"),
        ({"FREEBIT_OEM_KEY": "wrong"}, "freebit", "FREEBIT_OEM_KEY"),
        ({"WHM_TOKEN": "wrong"}, "whm", "WHM_TOKEN"),
        ({"SALESFORCE_CANARY_ACCOUNT_ID": "001000000999999AAA"}, "change event canary", "SALESFORCE_CANARY_ACCOUNT_ID"),
        ({"WHMCS_CANARY_CLIENT_ID": "999999"}, "webhook canary", "WHMCS_CANARY_CLIENT_ID"),
    ],
)
def test_every_trouble_has_its_advice(examined, changed, check, advice):
    status, found = examined(PUBLIC_URL="http://127.0.0.1:9", **changed)
    assert status == 1
    assert found[check]["status"] == "failed"
    assert advice in found[check]["advice"], found[check]


async def test_a_role_of_an_earlier_release_is_named(examined, sandbox: Sandbox):
    (await sandbox.control.put("/whmcs/access", json={"denied_actions": ["GetUsers"]})).raise_for_status()
    _, found = examined(PUBLIC_URL="http://127.0.0.1:9")
    assert (found["whmcs"]["status"], "GetUsers" in found["whmcs"]["detail"]) == ("failed", True)
    assert "deploy/whmcs/README.md" in found["whmcs"]["advice"]


async def test_products_that_cannot_be_sold_are_named(examined, sandbox: Sandbox):
    [product] = (await sandbox.control.get("/salesforce/Product2?StockKeepingUnit=VPN-USA-SF")).json()["records"]
    path = f"/salesforce/Product2/{product['Id']}"
    for fields, said in (
        ({"StockKeepingUnit": None}, "VPN USA-SF is not sold: it has no StockKeepingUnit."),
        ({"StockKeepingUnit": "VPN-GLOBAL"}, "2 products have the StockKeepingUnit VPN-GLOBAL."),
        ({"Billing_Cycle__c": "Fortnightly"}, "VPN-USA-SF is not sold"),
    ):
        (await sandbox.control.patch(path, json=fields)).raise_for_status()
        status, found = examined(PUBLIC_URL="http://127.0.0.1:9")
        assert (status, found["products"]["status"]) == (1, "failed")
        assert said in found["products"]["detail"], found["products"]
        whole = {name: product[name] for name in ("StockKeepingUnit", "Billing_Cycle__c")}
        (await sandbox.control.patch(path, json=whole)).raise_for_status()


async def test_prices_and_tax_that_are_billed_otherwise_are_named(examined, sandbox: Sandbox):
    _, found = examined(PUBLIC_URL="http://127.0.0.1:9")
    assert (found["price book and WHMCS"]["status"], found["tax"]["status"]) == ("ok", "ok"), found
    (await sandbox.control.patch("/whmcs/products/401", json={"price": "2600"})).raise_for_status()
    (await sandbox.control.put("/whmcs/tax", json={"type": "Inclusive"})).raise_for_status()
    status, found = examined(PUBLIC_URL="http://127.0.0.1:9")
    said = "VPN-USA-SF is 2,500 JPY monthly in the price book; WHMCS's product 401 is 2,600 JPY."
    assert (status, found["price book and WHMCS"]["detail"]) == (1, said)
    assert "Pricing" in found["price book and WHMCS"]["advice"]
    assert "inclusive" in found["tax"]["detail"]
    (await sandbox.control.put("/whmcs/tax", json={"type": "Exclusive"})).raise_for_status()
    _, found = examined(PUBLIC_URL="http://127.0.0.1:9", TAX_RATES="")
    assert (found["tax"]["status"], "TAX_RATES" in found["tax"]["detail"]) == ("failed", True)
    (await sandbox.control.put("/whmcs/access", json={"denied_actions": ["GetProducts"]})).raise_for_status()
    _, found = examined(PUBLIC_URL="http://127.0.0.1:9")
    assert "GetProducts" in found["price book and WHMCS"]["detail"]


def test_no_secret_is_shown(environment, portal: type_of_portal, sandbox: Sandbox):
    secrets = [environment[name] for name in ("WHMCS_SECRET", "WHMCS_WEBHOOK_SECRETS", "FREEBIT_OEM_KEY", "WHM_TOKEN")]
    shown = portal("doctor")
    assert shown.returncode == 1
    assert "Traceback" not in shown.stderr
    assert not any(secret in shown.stdout + shown.stderr for secret in secrets)
    assert "→" in shown.stdout


def test_settings_that_do_not_load_are_exit_status_2(portal: type_of_portal, environment):
    environment.pop("WHMCS_URL")
    ended = portal("doctor")
    assert ended.returncode == 2
    assert "WHMCS_URL" in ended.stderr


async def test_a_database_without_tables_gets_its_advice(examined, environment, pool):
    await pool.execute("CREATE DATABASE empty_for_doctor")
    try:
        server = environment["DATABASE_URL"].rpartition("/")[0]
        _, found = examined(DATABASE_URL=f"{server}/empty_for_doctor")
    finally:
        await pool.execute("DROP DATABASE empty_for_doctor")
    assert (found["postgres"]["status"], found["postgres"]["advice"]) == ("failed", "Run portal migrate.")


def test_an_unusable_template_is_reported_and_no_worker_starts_with_it(examined, environment, portal, tmp_path):
    (tmp_path / "ours.toml").write_text('[plain]\nprovision_steps = ["create_cpanel_acount"]')
    _, found = examined(PUBLIC_URL="http://127.0.0.1:9", PROVISION_TEMPLATES=str(tmp_path))
    assert found["templates"]["status"] == "failed"
    assert found["templates"]["detail"].startswith("ours.toml: template plain, step create_cpanel_acount: there is no")
    environment["PROVISION_TEMPLATES"] = str(tmp_path)
    ended = portal("worker")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("portal: ours.toml: template plain, step create_cpanel_acount: ")
    assert "Traceback" not in ended.stderr


def test_a_product_with_an_unknown_template_is_reported(examined, tmp_path):
    _, found = examined(PUBLIC_URL="http://127.0.0.1:9")
    assert (found["templates"]["status"], found["templates"]["detail"]) == ("ok", "2 templates: plain, wordpress")
    (tmp_path / "ours.toml").write_text('[plain]\nprovision_steps = ["create_cpanel_account"]')
    _, found = examined(PUBLIC_URL="http://127.0.0.1:9", PROVISION_TEMPLATES=str(tmp_path))
    assert found["templates"]["status"] == "failed"
    assert "HOSTING-BUSINESS names the template wordpress" in found["templates"]["detail"]
