"""Every command by name: what can be done here, on one screen."""

from app.commands.change_address import change_address
from app.commands.check_order import check_order
from app.commands.context import Command
from app.commands.create_payment_link import create_payment_link
from app.commands.create_payment_methods_link import create_payment_methods_link
from app.commands.customer_numbers import check_customer_number
from app.commands.link_account import complete_link, link_account
from app.commands.open_case import open_case
from app.commands.place_order import place_order
from app.commands.sign_up import sign_up

CHECK_CUSTOMER_NUMBER = Command("check_customer_number", check_customer_number, replayable=False)
SIGN_UP = Command("sign_up", sign_up)
LINK_ACCOUNT = Command("link_account", link_account, replayable=False)
COMPLETE_LINK = Command("complete_link", complete_link)
CHANGE_ADDRESS = Command("change_address", change_address)
OPEN_CASE = Command("open_case", open_case)
CHECK_ORDER = Command("check_order", check_order, replayable=False)
PLACE_ORDER = Command("place_order", place_order, "required")
CREATE_PAYMENT_LINK = Command("create_payment_link", create_payment_link, replayable=False)
CREATE_PAYMENT_METHODS_LINK = Command("create_payment_methods_link", create_payment_methods_link, replayable=False)

COMMANDS = (
    CHECK_CUSTOMER_NUMBER,
    SIGN_UP,
    LINK_ACCOUNT,
    COMPLETE_LINK,
    CHANGE_ADDRESS,
    OPEN_CASE,
    CHECK_ORDER,
    PLACE_ORDER,
    CREATE_PAYMENT_LINK,
    CREATE_PAYMENT_METHODS_LINK,
)
