"""WHMCS answers, and what the tests ask it to make."""

from app.integrations.whmcs.client import NewClient, NewServiceOrder, OrderLine
from tests.integrations.scripted import Reply

ORDER = NewServiceOrder(
    whmcs_client_id="1001",
    salesforce_order_id="801000000000001AAA",
    lines=[OrderLine(pid="181", billing_cycle="monthly"), OrderLine(pid="9", billing_cycle="onetime", domain="a.jp")],
    payment_method="mailin",
)
PERSON = NewClient(
    **dict.fromkeys(
        ("firstname", "lastname", "phonenumber", "address1", "address2", "city", "state", "postcode", "country"), "x"
    ),
    email="a@example.com",
    password="a-long-random-one",
    customer_number="C-000001",
)


def success(**fields):
    return Reply({"result": "success", **fields})


def refused(message, status=200):
    return Reply({"result": "error", "message": message}, status)
