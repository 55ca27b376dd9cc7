"""The environment of processes that talk to the sandbox."""

from typing import Any

import msgspec

from app.cli.stack.environment import PACE, beside_sandbox, of_sandbox
from app.settings import Settings, load

OWN = {"DATABASE_URL": "postgresql://here", "REDIS_URL": "redis://here", "PORTAL_SECRET": "s" * 32}


def test_the_sandbox_answers_every_setting_about_upstreams_that_has_no_default(sandbox_state: dict[str, Any]) -> None:
    required = {field.name.upper() for field in msgspec.structs.fields(Settings) if field.required}
    assert required - OWN.keys() <= of_sandbox(sandbox_state).keys()


def test_real_upstreams_of_the_environment_are_not_used_with_the_sandbox(
    sandbox_state: dict[str, Any],
) -> None:
    real = {"WHMCS_URL": "https://billing.example.jp", "SALESFORCE_CLIENT_ID": "real", "WHM_TOKEN_FILE": "/etc/token"}
    environment = beside_sandbox(sandbox_state, {**OWN, **real})
    settings = load(environment)
    assert settings.whmcs_url == sandbox_state["whmcs"]["url"]
    assert settings.salesforce_client_id == sandbox_state["salesforce"]["client_id"]
    assert settings.whm_token == sandbox_state["whm"]["token"]
    assert settings.database_url == OWN["DATABASE_URL"]


def test_the_pace_of_the_sandbox_may_be_chosen(sandbox_state: dict[str, Any]) -> None:
    name = "PUBLIC_RATE_PER_MINUTE"
    assert beside_sandbox(sandbox_state, OWN)[name] == PACE[name]
    assert beside_sandbox(sandbox_state, {**OWN, name: "7"})[name] == "7"


def test_strict_has_the_limits_of_an_installation(sandbox_state: dict[str, Any]) -> None:
    defaults = {field.name.upper(): field.default for field in msgspec.structs.fields(Settings)}
    loose, strict = load(beside_sandbox(sandbox_state, OWN)), load(beside_sandbox(sandbox_state, OWN, strict=True))
    for name in PACE:
        assert getattr(strict, name.lower()) == defaults[name] != getattr(loose, name.lower())
    assert (
        beside_sandbox(sandbox_state, {**OWN, "AUTH_RATE_PER_MINUTE": "7"}, strict=True)["AUTH_RATE_PER_MINUTE"] == "7"
    )


def test_no_proxy_stands_between_the_processes_and_the_sandbox(sandbox_state: dict[str, Any]) -> None:
    environment = beside_sandbox(sandbox_state, {**OWN, "HTTPS_PROXY": "http://proxy:3128", "no_proxy": "inside.jp"})
    assert environment["NO_PROXY"].split(",") == ["inside.jp", "localhost", "127.0.0.1"]
    assert environment["no_proxy"] == environment["NO_PROXY"]
