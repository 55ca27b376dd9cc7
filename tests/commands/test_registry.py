"""Every command is declared in its own module and stands in the registry.

The rule, for every module of an area of `app/commands`: a public coroutine whose parameters begin `(ctx, actor,
request)` is a command; one that takes an `operator`, and is not told which `action` to record, is a command of staff.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import app.commands
from app.commands import registry
from app.commands.execution.context import Command, StaffCommand

MACHINERY = {"execution", "registry"}


def modules_of_areas() -> Iterator[ModuleType]:
    root = app.commands.__name__
    for found in pkgutil.walk_packages(app.commands.__path__, f"{root}."):
        if found.name.removeprefix(f"{root}.").partition(".")[0] not in MACHINERY:
            yield importlib.import_module(found.name)


def handlers(module: ModuleType) -> set[Any]:
    """The coroutines of a module that are commands by the rule."""
    own = {
        function: list(inspect.signature(function).parameters)
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction)
        if function.__module__ == module.__name__ and not name.startswith("_")
    }
    return {
        function
        for function, names in own.items()
        if names[:3] == ["ctx", "actor", "request"] or ("operator" in names and "action" not in names)
    }


MODULES = list(modules_of_areas())


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_module_declares_its_commands_and_stands_in_the_registry(module: ModuleType) -> None:
    found = handlers(module)
    if found or hasattr(module, "COMMAND") or hasattr(module, "COMMANDS"):
        assert {each.handle for each in registry.declared(module)} == found
        assert module in registry.MODULES


def test_the_walk_sees_every_area() -> None:
    areas = {module.__name__.split(".")[2] for module in registry.MODULES}
    assert areas <= {module.__name__.split(".")[2] for module in MODULES}
    assert len(registry.MODULES) == len(set(registry.MODULES)) == sum(bool(handlers(module)) for module in MODULES)


def test_each_command_is_a_constant_of_its_own_module() -> None:
    for module in registry.MODULES:
        assert hasattr(module, "COMMAND") != hasattr(module, "COMMANDS"), module.__name__
        assert all(each.handle.__module__ == module.__name__ for each in registry.declared(module))


def test_names_are_unique_and_stable() -> None:
    names = [command.name for command in registry.COMMANDS]
    assert len(set(names)) == len(names)
    assert sorted(names) == sorted(STABLE_NAMES)


def test_staff_commands_record_the_action_that_they_declare() -> None:
    """`audit(…, operator, "action", …)`, spelled out in the module or in one that it hands the action to."""
    recorded = {action for path in Path("app/commands").rglob("*.py") for action in _actions(path)}
    assert recorded == {command.action for command in registry.STAFF_COMMANDS}


def _actions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            for before, after in zip(node.args, node.args[1:], strict=False):
                if isinstance(before, ast.Name) and before.id == "operator" and isinstance(after, ast.Constant):
                    yield after.value


def test_the_rule_notices_what_is_not_declared() -> None:
    module = ModuleType("app.commands.billing.example")

    async def refund_invoice(ctx: object, actor: object, request: object) -> None: ...
    async def write_off(pool: object, operator: object) -> None: ...

    for function in (refund_invoice, write_off):
        function.__module__ = module.__name__
        setattr(module, function.__name__, function)
    assert handlers(module) == {refund_invoice, write_off}
    with pytest.raises(AttributeError):
        registry.declared(module)
    assert Command(refund_invoice, writes=(), away="refuse").name == "refund_invoice"  # type: ignore[arg-type]
    assert StaffCommand(write_off, "invoice.write_off", writes=(), away="refuse").action == "invoice.write_off"


async def nothing(ctx: Any, actor: Any, request: Any) -> Any: ...


def test_a_command_without_a_declaration_does_not_start() -> None:
    """Its module cannot be imported, so no process that needs it starts."""
    undeclared: tuple[dict[str, Any], ...] = ({}, {"writes": ("whmcs",)}, {"away": "refuse"})
    for given in undeclared:
        with pytest.raises(TypeError, match="Missing required argument"):
            Command(nothing, **given)
        with pytest.raises(TypeError, match="Missing required argument"):
            StaffCommand(nothing, "nothing.do", **given)


def test_a_declaration_that_contradicts_itself_does_not_start() -> None:
    write: Any = lambda actor, request: None  # noqa: E731
    wrong: tuple[dict[str, Any], ...] = (
        {"writes": ("whmcs",), "away": "queue"},
        {"writes": ("whmcs",), "away": "refuse", "queued_write": write},
        {"writes": (), "away": "queue", "queued_write": write},
        {"writes": ("whmcs",), "away": "queue", "queued_write": write, "replayable": False},
    )
    for given in wrong:
        with pytest.raises(ValueError, match="nothing"):
            Command(nothing, **given)


def test_these_commands_wait_for_an_upstream_and_none_that_moves_money() -> None:
    waiting = {command.name for command in registry.COMMANDS if command.away == "queue"}
    assert waiting == {"cancel_subscription", "change_address", "change_profile", "comment_on_case"}
    assert {command.away for command in registry.STAFF_COMMANDS} == {"refuse"}


VENDORS = {"WHMCS": "whmcs", "Salesforce": "salesforce", "Freebit": "freebit", "WHM": "whm"}


@pytest.mark.parametrize("module", registry.MODULES, ids=lambda module: module.__name__)
def test_the_upstreams_that_a_module_says_it_writes_are_declared(module: ModuleType) -> None:
    """`Writes: WHMCS client.` in its docstring, up to the next sentence that begins with `Reads`."""
    said = " ".join((module.__doc__ or "").split())
    writes = " ".join(re.findall(r"(?:Writes|Reads and writes): (.*?)(?= Reads: |$)", said))
    named = {name for word, name in VENDORS.items() if re.search(rf"\b{word}\b(?!'s)", writes)}
    assert named <= {upstream for command in registry.declared(module) for upstream in command.writes}


STABLE_NAMES = {
    "attach_to_case",
    "cancel_scheduled_change",
    "cancel_subscription",
    "change_address",
    "change_password",
    "change_plan",
    "change_profile",
    "check_customer_number",
    "check_order",
    "choose_billing_account",
    "comment_on_case",
    "complete_link",
    "complete_sign_up",
    "confirm_second_factor",
    "create_control_panel_link",
    "create_invoice_pdf_link",
    "create_payment_link",
    "create_payment_methods_link",
    "create_payments_link",
    "disable_second_factor",
    "enrol_second_factor",
    "forgot_password",
    "link_account",
    "log_in",
    "log_out",
    "mail_sign_in_code",
    "open_case",
    "pay_invoice",
    "place_order",
    "preview_plan_change",
    "prove_link",
    "read_notification",
    "read_notifications",
    "read_usage",
    "refresh_account",
    "remove_payment_method",
    "request_eligibility",
    "request_export",
    "withdraw_cancellation",
    "reset_password",
    "revoke_session",
    "revoke_sessions",
    "set_default_payment_method",
    "sign_up",
}
"""Names that stand in the ledger and the audit log of installations. A new one is added here; none is ever changed."""
