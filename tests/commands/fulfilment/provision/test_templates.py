"""Provisioning templates are read as a whole, or refused with a sentence that names file, template and step."""

from pathlib import Path

import pytest

from app.commands.fulfilment.provision import templates
from app.commands.fulfilment.provision.parameters import FORMATS, ConfigureEmail, CreateDatabase
from app.commands.fulfilment.provision.steps import STEPS
from app.settings import SettingsError

GOOD = """
[shop]
provision_steps = ["create_cpanel_account", "create_database", "configure_email", "send_welcome_email"]
[shop.configure_email]
mailboxes = ["info", "first.last"]
"""


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """Drop the templates that another test read under the same name."""
    templates.load.cache_clear()


def read(folder: Path, text: str, file: str = "shop.toml") -> dict[str, templates.Template]:
    (folder / file).write_text(text)
    return templates.load(str(folder))


def test_the_portals_own_templates_use_every_step() -> None:
    found = templates.load("")
    assert list(found) == ["plain", "wordpress"]
    assert [each.step for each in found["wordpress"].steps] == list(FORMATS)


def test_every_step_that_a_template_may_name_can_be_done() -> None:
    assert set(STEPS) == set(FORMATS) - {"create_cpanel_account"} | {"find_template"}


def test_steps_keep_their_order_and_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    shop = read(tmp_path, GOOD)["shop"]
    assert [each.step for each in shop.steps] == [
        "create_cpanel_account",
        "create_database",
        "configure_email",
        "send_welcome_email",
    ]
    assert shop.steps[1].parameters == CreateDatabase(name="site")
    assert shop.steps[2].parameters == ConfigureEmail(mailboxes=["info", "first.last"], quota_megabytes=1024)


def test_a_service_without_an_account_may_have_a_mail(tmp_path: Path) -> None:
    assert (
        read(tmp_path, '[vpn]\nprovision_steps = ["send_welcome_email"]')["vpn"].steps[0].step == "send_welcome_email"
    )


ALL = '["create_cpanel_account", "create_database", "configure_email", "setup_ssl", "install_wordpress"]'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("provision_steps = [", "shop.toml: cannot be read: "),
        ("shop = 1", "shop.toml: template shop: it is not a table"),
        ("[shop]", "shop.toml: template shop: provision_steps must be a list"),
        ("[shop]\nprovision_steps = []", "shop.toml: template shop: provision_steps must be a list"),
        ("[shop]\nprovision_steps = [1]", "shop.toml: template shop: provision_steps must be a list"),
        (
            '[shop]\nprovision_steps = ["create_cpanel_account", "create_databse"]',
            "shop.toml: template shop, step create_databse: there is no such step. There are: create_cpanel_account, ",
        ),
        (
            '[shop]\nprovision_steps = ["create_cpanel_account", "setup_ssl", "setup_ssl"]',
            "shop.toml: template shop, step setup_ssl: it is listed twice",
        ),
        (
            '[shop]\nprovision_steps = ["send_welcome_email", "create_cpanel_account"]',
            "shop.toml: template shop, step create_cpanel_account: it must be the first step",
        ),
        (
            '[shop]\nprovision_steps = ["create_database"]',
            "shop.toml: template shop, step create_database: it needs create_cpanel_account as the first step",
        ),
        (
            '[shop]\nprovision_steps = ["create_cpanel_account"]\n[shop.create_database]\nname = "a"',
            "shop.toml: template shop, step create_database: it has parameters, but provision_steps does not name it",
        ),
        (
            f'[shop]\nprovision_steps = {ALL}\n[shop.create_database]\nnmae = "a"',
            "shop.toml: template shop, step create_database: Object contains unknown field `nmae`",
        ),
        (
            f"[shop]\nprovision_steps = {ALL}\n[shop.create_database]\nname = 7",
            "shop.toml: template shop, step create_database: Expected `str`, got `int` - at `$.name`",
        ),
        (
            f'[shop]\nprovision_steps = {ALL}\n[shop.create_database]\nname = "Robert\'); DROP"',
            "shop.toml: template shop, step create_database: Expected `str` matching regex",
        ),
        (
            f"[shop]\nprovision_steps = {ALL}",
            "shop.toml: template shop, step configure_email: Object missing required field `mailboxes`",
        ),
        (
            f'[shop]\nprovision_steps = {ALL}\n[shop.configure_email]\nmailboxes = ["cpanel"]',
            "shop.toml: template shop, step configure_email: Expected `str` matching regex",
        ),
        (
            f'[shop]\nprovision_steps = {ALL}\n[shop.configure_email]\nmailboxes = ["a"]\nquota_megabytes = -1',
            "shop.toml: template shop, step configure_email: Expected `int` >= 0",
        ),
        (
            f'[shop]\nprovision_steps = {ALL}\n[shop.configure_email]\nmailboxes = ["a", "b", "a"]',
            "shop.toml: template shop, step configure_email: mailboxes has a duplicate",
        ),
        (
            f'[shop]\nprovision_steps = {ALL}\nsetup_ssl = true\n[shop.configure_email]\nmailboxes = ["a"]',
            "shop.toml: template shop, step setup_ssl: Expected `object`, got `bool`",
        ),
        (
            f'[shop]\nprovision_steps = {ALL}\n[shop.configure_email]\nmailboxes = ["a"]\n'
            '[shop.install_wordpress]\nversion = "6.5"',
            "shop.toml: template shop, step install_wordpress: Invalid enum value '6.5' - at `$.version`",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_with_file_template_and_step(
    tmp_path: Path, text: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith(sentence)
    assert str(refused.value).endswith(".")


def test_a_name_belongs_to_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD)
    with pytest.raises(SettingsError, match=r"^shop.toml: template shop: another file has a template of this name"):
        read(tmp_path, GOOD)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"PROVISION_TEMPLATES is invalid: there is no directory .*nowhere"):
        templates.load(str(tmp_path / "nowhere"))
