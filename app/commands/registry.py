"""Every command by name: what can be done here, on one screen."""

from app.commands.account.change_address import change_address
from app.commands.account.change_profile import change_profile
from app.commands.account.mark_notifications_read import read_notification, read_notifications
from app.commands.account.request_eligibility import request_eligibility
from app.commands.billing.create_payment_link import create_invoice_pdf_link, create_payment_link, create_payments_link
from app.commands.billing.create_payment_methods_link import create_payment_methods_link
from app.commands.billing.manage_payment_methods import remove_payment_method, set_default_payment_method
from app.commands.billing.pay_invoice import pay_invoice
from app.commands.execution.context import Command
from app.commands.identity.change_password import change_password
from app.commands.identity.change_second_factor import confirm_second_factor, disable_second_factor, enrol_second_factor
from app.commands.identity.enrolment.check_customer_number import check_customer_number
from app.commands.identity.enrolment.complete_link import complete_link
from app.commands.identity.enrolment.complete_sign_up import complete_sign_up
from app.commands.identity.enrolment.link_account import link_account
from app.commands.identity.enrolment.link_steps import choose_billing_account, prove_link
from app.commands.identity.enrolment.sign_up import sign_up
from app.commands.identity.mail_sign_in_code import mail_sign_in_code
from app.commands.identity.reset_password import forgot_password, reset_password
from app.commands.identity.sessions.revoke_sessions import revoke_session, revoke_sessions
from app.commands.orders.check_order import check_order
from app.commands.orders.place_order import place_order
from app.commands.subscriptions.cancel_scheduled_change import cancel_scheduled_change
from app.commands.subscriptions.cancel_subscription import cancel_subscription
from app.commands.subscriptions.change_plan import change_plan
from app.commands.subscriptions.create_control_panel_link import create_control_panel_link
from app.commands.subscriptions.preview_plan_change import preview_plan_change
from app.commands.subscriptions.usage import read_usage
from app.commands.support.attach_to_case import attach_to_case
from app.commands.support.comment_on_case import comment_on_case
from app.commands.support.open_case import open_case

CHECK_CUSTOMER_NUMBER = Command("check_customer_number", check_customer_number, replayable=False, changes=False)
SIGN_UP = Command("sign_up", sign_up, replayable=False)
COMPLETE_SIGN_UP = Command("complete_sign_up", complete_sign_up, replayable=False)
LINK_ACCOUNT = Command("link_account", link_account, replayable=False)
PROVE_LINK = Command("prove_link", prove_link, replayable=False)
CHOOSE_BILLING_ACCOUNT = Command("choose_billing_account", choose_billing_account, replayable=False)
COMPLETE_LINK = Command("complete_link", complete_link, replayable=False)
MAIL_SIGN_IN_CODE = Command("mail_sign_in_code", mail_sign_in_code, replayable=False)
FORGOT_PASSWORD = Command("forgot_password", forgot_password, replayable=False)
RESET_PASSWORD = Command("reset_password", reset_password, replayable=False)
CHANGE_PASSWORD = Command("change_password", change_password, replayable=False)
ENROL_SECOND_FACTOR = Command("enrol_second_factor", enrol_second_factor, replayable=False)
CONFIRM_SECOND_FACTOR = Command("confirm_second_factor", confirm_second_factor, replayable=False)
DISABLE_SECOND_FACTOR = Command("disable_second_factor", disable_second_factor, replayable=False)
REVOKE_SESSION = Command("revoke_session", revoke_session)
REVOKE_SESSIONS = Command("revoke_sessions", revoke_sessions)
CHANGE_ADDRESS = Command("change_address", change_address)
CHANGE_PROFILE = Command("change_profile", change_profile)
REQUEST_ELIGIBILITY = Command("request_eligibility", request_eligibility)
OPEN_CASE = Command("open_case", open_case)
COMMENT_ON_CASE = Command("comment_on_case", comment_on_case)
ATTACH_TO_CASE = Command("attach_to_case", attach_to_case)
READ_NOTIFICATION = Command("read_notification", read_notification)
READ_NOTIFICATIONS = Command("read_notifications", read_notifications)
CHECK_ORDER = Command("check_order", check_order, replayable=False, changes=False)
PLACE_ORDER = Command("place_order", place_order, "required")
CREATE_PAYMENT_LINK = Command("create_payment_link", create_payment_link, replayable=False)
CREATE_PAYMENTS_LINK = Command("create_payments_link", create_payments_link, replayable=False)
CREATE_INVOICE_PDF_LINK = Command("create_invoice_pdf_link", create_invoice_pdf_link, replayable=False)
PAY_INVOICE = Command("pay_invoice", pay_invoice, "required")
CREATE_PAYMENT_METHODS_LINK = Command("create_payment_methods_link", create_payment_methods_link, replayable=False)
PREVIEW_PLAN_CHANGE = Command("preview_plan_change", preview_plan_change, replayable=False, changes=False)
CHANGE_PLAN = Command("change_plan", change_plan, "required")
CANCEL_SCHEDULED_CHANGE = Command("cancel_scheduled_change", cancel_scheduled_change)
CANCEL_SUBSCRIPTION = Command("cancel_subscription", cancel_subscription)
READ_USAGE = Command("read_usage", read_usage, replayable=False, changes=False)
CREATE_CONTROL_PANEL_LINK = Command("create_control_panel_link", create_control_panel_link, replayable=False)

SET_DEFAULT_PAYMENT_METHOD = Command("set_default_payment_method", set_default_payment_method)
REMOVE_PAYMENT_METHOD = Command("remove_payment_method", remove_payment_method)

COMMANDS = (
    CHECK_CUSTOMER_NUMBER,
    SIGN_UP,
    COMPLETE_SIGN_UP,
    LINK_ACCOUNT,
    PROVE_LINK,
    CHOOSE_BILLING_ACCOUNT,
    COMPLETE_LINK,
    MAIL_SIGN_IN_CODE,
    FORGOT_PASSWORD,
    RESET_PASSWORD,
    CHANGE_PASSWORD,
    ENROL_SECOND_FACTOR,
    CONFIRM_SECOND_FACTOR,
    DISABLE_SECOND_FACTOR,
    REVOKE_SESSION,
    REVOKE_SESSIONS,
    CHANGE_ADDRESS,
    CHANGE_PROFILE,
    REQUEST_ELIGIBILITY,
    OPEN_CASE,
    COMMENT_ON_CASE,
    ATTACH_TO_CASE,
    READ_NOTIFICATION,
    READ_NOTIFICATIONS,
    CHECK_ORDER,
    PLACE_ORDER,
    CREATE_PAYMENT_LINK,
    CREATE_PAYMENTS_LINK,
    CREATE_INVOICE_PDF_LINK,
    PAY_INVOICE,
    CREATE_PAYMENT_METHODS_LINK,
    SET_DEFAULT_PAYMENT_METHOD,
    REMOVE_PAYMENT_METHOD,
    PREVIEW_PLAN_CHANGE,
    CHANGE_PLAN,
    CANCEL_SCHEDULED_CHANGE,
    CANCEL_SUBSCRIPTION,
    READ_USAGE,
    CREATE_CONTROL_PANEL_LINK,
)
