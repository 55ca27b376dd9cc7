"""Settings: complete, documented, and refused with one clear sentence."""

from pathlib import Path

import msgspec
import pytest

from app.settings import Settings, SettingsError, load

EXAMPLE = Path(__file__).parents[1] / ".env.example"


def filled() -> dict[str, str]:
    """Return the smallest environment that starts."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    return dict.fromkeys(required, "x" * 32)


def test_the_example_names_every_setting_with_its_default() -> None:
    lines = [line for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    shown = dict(line.split("=", 1) for line in lines)
    expected = {}
    for field in msgspec.structs.fields(Settings):
        default = "" if field.required else field.default
        expected[field.name.upper()] = str(default).lower() if isinstance(default, bool) else str(default)
    assert shown == expected


def test_a_missing_setting_is_named_with_its_meaning() -> None:
    environment = filled()
    del environment["WHMCS_URL"]
    with pytest.raises(SettingsError, match=r"WHMCS_URL is not set: WHMCS system URL\."):
        load(environment)


def test_an_unusable_setting_is_named_with_what_is_wrong() -> None:
    with pytest.raises(SettingsError, match=r"API_PORT cannot be used: .* \(it is 'eighty'\)"):
        load({**filled(), "API_PORT": "eighty"})


def test_an_unusable_secret_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        load({**filled(), "PORTAL_SECRET": "hunter2"})
    assert "PORTAL_SECRET" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_value_may_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n")
    environment = filled()
    del environment["WHMCS_SECRET"]
    assert load({**environment, "WHMCS_SECRET_FILE": str(secret)}).whmcs_secret == "from the file"


def test_defaults_apply_and_an_empty_value_counts_as_absent() -> None:
    settings = load({**filled(), "API_PORT": "", "API_HOST": "0.0.0.0"})
    assert (settings.api_port, settings.api_host) == (8000, "0.0.0.0")
