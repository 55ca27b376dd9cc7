"""Provisioning templates, loaded from TOML files and validated as a whole: one table per template with its steps in
order, and one table of parameters per step.

    [wordpress]
    provision_steps = ["create_cpanel_account", "create_database"]

    [wordpress.create_database]
    name = "site"
"""

import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from app.commands.fulfilment.provision.parameters import CREATE_ACCOUNT, FORMATS, NEED_ACCOUNT, Parameters
from app.settings import SettingsError

OWN = Path(__file__).with_name("templates")
STEPS = "provision_steps"


class TemplateStep(Struct, frozen=True):
    """One step with its parameters, checked and with every default filled in."""

    step: str
    parameters: Parameters


class Template(Struct, frozen=True):
    """The provisioning steps for a product, in order."""

    name: str
    steps: tuple[TemplateStep, ...]


@lru_cache
def load(directory: str) -> dict[str, Template]:
    """Load every template of a directory, or of the portal's own if none is given.

    Raises:
        SettingsError: one sentence that names file, template and step.
    """
    folder = Path(directory) if directory else OWN
    if not folder.is_dir():
        raise SettingsError(f"PROVISION_TEMPLATES is invalid: there is no directory {folder}.")
    found: dict[str, Template] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, body in _tables(path).items():
            if name in found:
                raise SettingsError(f"{path.name}: template {name}: another file has a template of this name.")
            found[name] = Template(name, tuple(_steps(f"{path.name}: template {name}", body)))
    return found


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path.name}: cannot be read: {error}.") from error


def _steps(where: str, body: Any) -> Iterator[TemplateStep]:
    if not isinstance(body, dict):
        raise SettingsError(f"{where}: it is not a table. Write [name] and below it {STEPS}.")
    names = body.get(STEPS)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise SettingsError(f"{where}: {STEPS} must be a list of the steps' names.")
    _in_order(where, names)
    if strays := [name for name in body if name != STEPS and name not in names]:
        raise SettingsError(f"{where}, step {strays[0]}: it has parameters, but {STEPS} does not name it.")
    for name in names:
        yield TemplateStep(name, _parameters(f"{where}, step {name}", name, body.get(name, {})))


def _in_order(where: str, names: Sequence[str]) -> None:
    for position, name in enumerate(names):
        if name not in FORMATS:
            raise SettingsError(f"{where}, step {name}: there is no such step. There are: {', '.join(FORMATS)}.")
        if name in names[:position]:
            raise SettingsError(f"{where}, step {name}: it is listed twice.")
        if name == CREATE_ACCOUNT and position:
            raise SettingsError(f"{where}, step {name}: it must be the first step.")
        if name in NEED_ACCOUNT and names[0] != CREATE_ACCOUNT:
            raise SettingsError(f"{where}, step {name}: it needs {CREATE_ACCOUNT} as the first step.")


def _parameters(where: str, name: str, given: Any) -> Parameters:
    try:
        parameters = msgspec.convert(given, FORMATS[name])
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}.") from error
    for field, value in msgspec.structs.asdict(parameters).items():
        if isinstance(value, list) and len(set(value)) < len(value):
            raise SettingsError(f"{where}: {field} has a duplicate.")
    return parameters
