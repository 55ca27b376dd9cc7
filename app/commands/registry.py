"""The modules that define commands: everything that can be done here, on one screen.

A command is a public coroutine `(ctx, actor, request)`, for customers and visitors, or one that takes an `operator`,
for members of staff. Its module declares it as `COMMAND`, or as `COMMANDS` if several share their machinery, and
stands in `MODULES`. `tests/commands/test_registry.py` walks the areas and fails for a module that is missing.
"""

from types import ModuleType

from app.commands.account import (
    change_address,
    change_profile,
    mark_notifications_read,
    refresh_account,
    request_eligibility,
    request_export,
)
from app.commands.billing import (
    capture_looks,
    captures_by_staff,
    create_payment_link,
    create_payment_methods_link,
    manage_payment_methods,
    pay_invoice,
)
from app.commands.dunning import grace
from app.commands.dunning.staff import adopt, holds
from app.commands.execution.context import Command, StaffCommand
from app.commands.fulfilment import decide
from app.commands.identity import (
    change_password,
    change_second_factor,
    log_in,
    mail_sign_in_code,
    reseal,
    reset_password,
    staff_members,
)
from app.commands.identity.enrolment import (
    check_customer_number,
    complete_link,
    complete_sign_up,
    invitations,
    link_account,
    link_steps,
    sign_up,
)
from app.commands.identity.sessions import end_sessions, revoke_sessions
from app.commands.orders import check_order, place_order
from app.commands.providers import repair
from app.commands.subscriptions import (
    cancel_scheduled_change,
    cancel_subscription,
    change_plan,
    create_control_panel_link,
    preview_plan_change,
    staff,
    suspension,
    usage,
    withdraw_cancellation,
)
from app.commands.support import attach_to_case, comment_on_case, open_case

MODULES: tuple[ModuleType, ...] = (
    change_address,
    change_profile,
    mark_notifications_read,
    refresh_account,
    request_eligibility,
    request_export,
    create_payment_link,
    create_payment_methods_link,
    manage_payment_methods,
    pay_invoice,
    capture_looks,
    captures_by_staff,
    decide,
    adopt,
    grace,
    holds,
    change_password,
    change_second_factor,
    log_in,
    mail_sign_in_code,
    reseal,
    reset_password,
    staff_members,
    check_customer_number,
    complete_link,
    complete_sign_up,
    invitations,
    link_account,
    link_steps,
    sign_up,
    end_sessions,
    revoke_sessions,
    check_order,
    place_order,
    repair,
    cancel_scheduled_change,
    cancel_subscription,
    change_plan,
    create_control_panel_link,
    preview_plan_change,
    staff,
    suspension,
    usage,
    withdraw_cancellation,
    attach_to_case,
    comment_on_case,
    open_case,
)


def declared(module: ModuleType) -> tuple[Command | StaffCommand, ...]:
    """Return the commands that a module declares."""
    several: tuple[Command | StaffCommand, ...] = getattr(module, "COMMANDS", ())
    return several or (module.COMMAND,)


DECLARED = tuple(command for module in MODULES for command in declared(module))
COMMANDS = tuple(command for command in DECLARED if isinstance(command, Command))
STAFF_COMMANDS = tuple(command for command in DECLARED if isinstance(command, StaffCommand))
