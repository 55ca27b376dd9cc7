"""Whatever bytes an upstream answers with, a client gives a value that can be stored, or an `UpstreamError`.

The calls are found by looking at the clients and at the modules around them, so that a new one cannot be left out.
"""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest

from app.errors import OutcomeUnknown, UpstreamError, UpstreamMalformed, UpstreamUnavailable
from app.integrations import freebit, whm, whmcs
from app.integrations.freebit.client import FreebitClient
from app.integrations.freebit.shapes import EsimActivation, LineDetail, Mnp
from app.integrations.whm.client import WhmClient
from app.integrations.whm.shapes import NewHostingAccount
from app.integrations.whmcs import api
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.upgrades import Upgrade
from tests.integrations.byte_faults import BYTE_FAULTS, with_wrong_values
from tests.integrations.conftest import settings
from tests.integrations.scripted import Asked, Reply, Upstream
from tests.integrations.whmcs.answers import ORDER, PERSON

LIFE = {"open", "close"}
"""What is no call of an upstream."""


class Call(NamedTuple):
    """The arguments of a call, and the names of the answers it reads."""

    given: tuple[Any, ...]
    reads: tuple[str, ...]
    named: Mapping[str, Any] = MappingProxyType({})
    write: bool = False


WISH = Upgrade(service_id="7", product_id="182", billing_cycle="monthly", payment_method="mailin")
SERVICE = {
    "id": "7",
    "clientid": "1001",
    "orderid": "5",
    "pid": "181",
    "regdate": "2026-01-01",
    "name": "SIM &amp; voice",
    "groupname": "SIM",
    "domain": "07000000000",
    "firstpaymentamount": "1000.00",
    "recurringamount": "1000.00",
    "paymentmethod": "mailin",
    "billingcycle": "Monthly",
    "nextduedate": "2026-02-01",
    "status": "Active",
    "username": "u",
}
TRANSACTION = {"id": 3, "gateway": "stripe", "date": "2026-01-02 03:04:05", "amountin": "500.00", "transid": "t"}
WHMCS_ANSWERS: dict[str, dict[str, Any]] = {
    "GetClientsDetails": {
        "client": {
            "id": 1001,
            "email": "a@example.com",
            "firstname": "A",
            "currency_code": "JPY",
            "credit": "0.00",
            "countrycode": "JP",
            "customfields": [{"id": "198", "value": "C-1"}],
        }
    },
    "AddClient": {"clientid": 1001},
    "UpdateClient": {"clientid": 1001},
    "CloseClient": {"clientid": "1001"},
    "GetInvoices": {
        "totalresults": 2,
        "invoices": {"invoice": [{"id": each, "userid": "1001", "currencycode": "JPY"} for each in (12, 13)]},
    },
    "GetInvoice": {
        "invoiceid": 12,
        "userid": "1001",
        "invoicenum": "2026-12",
        "date": "2026-01-01",
        "duedate": "2026-01-31",
        "datepaid": "0000-00-00 00:00:00",
        "subtotal": "1000.00",
        "credit": "0.00",
        "tax": "100.00",
        "total": "1100.00",
        "balance": "600.00",
        "taxrate": "10.000",
        "status": "Unpaid",
        "ccgateway": True,
        "items": {"item": [{"id": 1, "type": "Hosting", "relid": "7", "description": "d", "amount": "1000.00"}]},
        "transactions": {"transaction": [TRANSACTION]},
    },
    "CapturePayment": {},
    "UpdateInvoice": {"invoiceid": 12},
    "GetClientsProducts": {"totalresults": "1", "products": {"product": [SERVICE]}},
    "PortalGatewayLog": {
        "entries": {
            "entry": [
                {"id": 1, "date": "2026-02-01 10:00:00", "result": "Declined", "data": "insufficient", "invoiceid": 12}
            ]
        }
    },
    "UpdateClientProduct": {"serviceid": "7"},
    "GetClientsAddons": {
        "totalresults": 1,
        "addons": {"addon": [{"id": 2, "userid": "1001", "serviceid": "7", "name": "x", "recurring": "5.00"}]},
    },
    "GetPayMethods": {
        "clientid": "1001",
        "paymethods": [{"id": 3, "type": "RemoteCreditCard", "card_last_four": "4242", "expiry_date": "12/30"}],
    },
    "UpdatePayMethod": {"paymethodid": "3"},
    "DeletePayMethod": {"paymethodid": "3"},
    "GetPaymentMethods": {"paymentmethods": {"paymentmethod": [{"module": "mailin", "displayname": "Bank"}]}},
    "CreateSsoToken": {"redirect_url": "https://w.example/sso?access_token=t"},
    "ValidateLogin": {"userid": 1},
    "GetUsers": {"totalresults": 1, "users": [{"id": 7, "clients": [{"id": 1001, "isOwner": True}]}]},
    "GetOrders": {
        "totalresults": 1,
        "orders": {
            "order": [
                {
                    "id": 5,
                    "userid": "1001",
                    "notes": f"sfOrderId={ORDER.salesforce_order_id}",
                    "status": "Pending",
                    "invoiceid": "0",
                    "lineitems": {"lineitem": [{"type": "product", "relid": "7"}]},
                }
            ]
        },
    },
    "AddOrder": {"orderid": 5, "serviceids": "7,8", "invoiceid": "12"},
    "AcceptOrder": {},
    "CancelOrder": {},
    "GetProducts": {
        "totalresults": 1,
        "products": {
            "product": [
                {
                    "pid": "181",
                    "name": "SIM &amp; voice",
                    "paytype": "recurring",
                    "pricing": {"JPY": {"prefix": "¥", "monthly": "1500.00", "msetupfee": "0.00"}},
                }
            ]
        },
    },
    "GetConfigurationValue": {"setting": "TaxType", "value": "Exclusive"},
    "GetPromotions": {
        "promotions": {
            "promotion": [
                {
                    "id": 1,
                    "code": "SPRING",
                    "type": "Percentage",
                    "value": "10.00",
                    "startdate": "2026-01-01",
                    "expirationdate": "0000-00-00",
                    "maxuses": "0",
                    "uses": "2",
                    "appliesto": "181",
                }
            ]
        }
    },
    "GetCancelledPackages": {
        "totalresults": 1,
        "packages": {"package": [{"id": 1, "relid": "7", "date": "2026-01-01 00:00:00", "reason": "r", "type": "x"}]},
    },
    "AddCancelRequest": {"serviceid": "7"},
    "UpgradeProduct": {
        "oldproductid": "181",
        "newproductid": "182",
        "price": "¥1,234 JPY",
        "daysuntilrenewal": 10,
        "totaldays": 30,
        "upgradeinprogress": 0,
        "orderid": 9,
        "invoiceid": 12,
    },
    "GetClientGroups": {
        "totalresults": 1,
        "groups": {"group": [{"id": 3, "groupname": "Kept", "susptermexempt": "on"}]},
    },
    "ModuleSuspend": {},
    "ModuleUnsuspend": {},
    "GetAutomationLog": {
        "currentDatetime": "2026-11-30 10:00:00",
        "lastDailyCronInvocationTime": "2026-11-30 09:00:04",
        "statistics": {"2026-11-30": {"AutoSuspensions": {"suspended": "2", "manual": "0"}}},
    },
}
WHMCS_CALLS = {
    "client": Call(("1001",), ("GetClientsDetails",)),
    "client_by_email": Call(("a@example.com",), ("GetClientsDetails",)),
    "client_id_by_email": Call(("a@example.com",), ("GetClientsDetails",)),
    "add_client": Call((PERSON,), ("AddClient",), write=True),
    "update_client": Call(("1001", {"city": "Osaka"}), ("UpdateClient",), write=True),
    "close_client": Call(("1001",), ("CloseClient",), write=True),
    "invoices": Call(("1001",), ("GetInvoices", "GetInvoice")),
    "invoice": Call(("12",), ("GetInvoice", "GetClientsDetails")),
    "own_invoice": Call(("12", "1001", "JPY"), ("GetInvoice",)),
    "charge": Call(("12",), ("CapturePayment",), write=True),
    "set_invoice_gateway": Call(("12", "mailin"), ("UpdateInvoice",), write=True),
    "services": Call(("1001",), ("GetClientsProducts",)),
    "service": Call(("7",), ("GetClientsProducts",)),
    "pay_methods": Call(("1001",), ("GetPayMethods",)),
    "set_default_pay_method": Call(("1001", "3"), ("UpdatePayMethod",), write=True),
    "delete_pay_method": Call(("1001", "3"), ("DeletePayMethod",), write=True),
    "gateways": Call((), ("GetPaymentMethods",)),
    "cancel_service": Call(("7",), ("UpdateClientProduct",), write=True),
    "sso_link": Call(("1001",), ("CreateSsoToken",), {"destination": "d"}),
    "validate_login": Call(("a@example.com", "p"), ("ValidateLogin",)),
    "clients_owned_by": Call(("7", "a@example.com"), ("GetUsers", "GetClientsDetails")),
    "find_order": Call(("1001", ORDER.salesforce_order_id), ("GetOrders",)),
    "add_order": Call((ORDER,), ("AddOrder",), write=True),
    "accept_order": Call(("5",), ("AcceptOrder",), write=True),
    "cancel_order": Call(("5",), ("CancelOrder",), write=True),
    "call": Call(("UpdateInvoice",), ("UpdateInvoice",), {"write": True}, write=True),
    "rows": Call(("GetClientsProducts", {}, "products", "product"), ("GetClientsProducts",)),
    "page": Call(("GetCancelledPackages", "packages", "package"), ("GetCancelledPackages",), {"start": 0}),
    "services.addons": Call(("1001",), ("GetClientsAddons",)),
    "services.login_name": Call(("7",), ("GetClientsProducts",)),
    "services.set_status": Call(("7", "Active"), ("UpdateClientProduct",), write=True),
    "services.set_domain": Call(("7", "a.jp"), ("UpdateClientProduct",), write=True),
    "services.set_price": Call(("7", {"recurringamount": Decimal("1500")}), ("UpdateClientProduct",), write=True),
    "products.products": Call((), ("GetProducts",)),
    "products.tax_settings": Call((), ("GetConfigurationValue",)),
    "promotions.promotion": Call(("spring",), ("GetPromotions",)),
    "promotions.order_history": Call(("1001",), ("GetOrders",)),
    "cancellations.request_cancellation": Call(("7", "Immediate", "r"), ("AddCancelRequest",), write=True),
    "cancellations.reason_of": Call(("7",), ("GetCancelledPackages",)),
    "cancellations.requests": Call((), ("GetCancelledPackages",)),
    "automation_log": Call((date(2026, 11, 23),), ("GetAutomationLog",)),
    "is_switched_on": Call(("suspension",), ("GetConfigurationValue",)),
    "any_invoice": Call(("12", "JPY"), ("GetInvoice",)),
    "gateway_log": Call(("12",), ("PortalGatewayLog",)),
    "suspensions.service_standing": Call(("7",), ("GetClientsProducts",)),
    "suspensions.client_standing": Call(("1001",), ("GetClientsDetails",)),
    "suspensions.exempt_groups": Call((), ("GetClientGroups",)),
    "suspensions.suspend": Call(("7",), ("ModuleSuspend",), {"by_module": True}, write=True),
    "suspensions.restore": Call(("7",), ("ModuleUnsuspend",), {"by_module": True}, write=True),
    "upgrades.quote": Call((WISH,), ("UpgradeProduct",)),
    "upgrades.upgrade": Call((WISH,), ("UpgradeProduct",), write=True),
}

LINE = LineDetail(
    account="0801", state="active", eid="8904", plan_code="P", product_number="N", contract_line="4G", voice_options=()
)
MNP = Mnp(
    **dict.fromkeys(("lastname", "firstname", "lastname_kana", "firstname_kana", "gender", "reservation_number"), "x"),
    phone_number="0801",
    expires_on="2026-01-01",
    birthday="1990-01-01",
)
FREEBIT_ANSWERS: dict[str, dict[str, Any]] = {
    "authOem": {"authKey": "key"},
    "addAcnt": {"account": "0801"},
    "cnclAcnt": {},
    "addOrder": {},
    "changePlan": {},
    "getDetail": {
        "responseDatas": [
            {
                "account": "0801",
                "state": "active",
                "eid": "8904",
                "planCode": "P",
                "productNumber": "N",
                "contractLine": "4G",
                "talkoption": {"voiceMail": "10", "callWaiting": "20"},
            }
        ]
    },
    "getTrafficInfo": {"account": "0801", "traffic": {"today": "40", "inRecentDays": "1,2", "blackList": "20"}},
}
DAY = date(2026, 2, 1)
FREEBIT_CALLS = {
    "log_in": Call((), ("authOem",)),
    "activate_esim": Call(
        (EsimActivation(eid="8904", plan_code="P", sim_kind="E0", mnp=MNP),), ("authOem", "addAcnt"), write=True
    ),
    "reissue_esim": Call((LINE, "8905"), ("authOem", "addAcnt"), write=True),
    "register_sim": Call(("0801", "P"), ("authOem", "addAcnt"), write=True),
    "cancel_line": Call(("0801", DAY), ("authOem", "cnclAcnt"), write=True),
    "change_plan": Call(("0801", "P", DAY), ("authOem", "changePlan"), write=True),
    "register_voice_options": Call(
        ("0801",), ("authOem", "addOrder"), {"voice_mail": True, "call_waiting": False}, write=True
    ),
    "detail": Call(("0801",), ("authOem", "getDetail")),
    "usage": Call(("0801",), ("authOem", "getTrafficInfo")),
}

ACCOUNT = {
    "user": "u1",
    "domain": "a.jp",
    "plan": "p",
    "owner": "o",
    "suspended": 0,
    "is_locked": 0,
    "suspendreason": "not suspended",
    "unix_startdate": "1700000000",
    "diskused": "12M",
    "disklimit": "unlimited",
}
UAPI: dict[str, Any] = {
    "get_restrictions": {"prefix": "u1_"},
    "list_databases": [{"database": "u1_a", "users": ["u1_b"]}],
    "list_users": [{"user": "u1_b"}],
    "list_pops": [{"email": "A@a.jp"}],
    "is_autossl_check_in_progress": 1,
    "get_autossl_problems": [{"domain": "a.jp", "problem": "DNS"}],
    "retrieve": {"install_status": "success", "details": {"version": "6", "plugins": {"seo": {}}, "msg": ""}},
}
WHM_DATA: dict[str, Any] = {
    "listaccts": {"acct": [ACCOUNT]},
    "accountsummary": {"acct": [ACCOUNT]},
    "create_user_session": {"url": "https://h.example/cpsess", "expires": "1800000000"},
    "version": {"version": "11.120"},
    "myprivs": {"privileges": [{"all": 1, "kill-acct": "0"}]},
}
WHM_CALLS = {
    "account": Call(("u1",), ("listaccts",)),
    "accounts": Call((), ("listaccts",)),
    "hosting": Call(("a.jp",), ("listaccts",)),
    "privileges": Call((), ("myprivs",)),
    "summary": Call(("u1",), ("accountsummary",)),
    "create_account": Call((NewHostingAccount("u1", "a.jp", "p", "a@a.jp"),), ("createacct",), write=True),
    "suspend": Call(("u1", "r"), ("suspendacct",), write=True),
    "unsuspend": Call(("u1",), ("unsuspendacct",), write=True),
    "change_package": Call(("u1", "p"), ("changepackage",), write=True),
    "remove_account": Call(("u1",), ("removeacct",), write=True),
    "control_panel": Call(("u1",), ("create_user_session",)),
    "version": Call((), ("version",)),
    "uapi": Call(("u1", "Mysql::list_users", {}), ("list_users",), {"write": False}),
    "hosted.database_prefix": Call(("u1",), ("get_restrictions",)),
    "hosted.databases": Call(("u1",), ("list_databases",)),
    "hosted.database_users": Call(("u1",), ("list_users",)),
    "hosted.create_database": Call(("u1", "n"), ("create_database",), write=True),
    "hosted.create_database_user": Call(("u1", "n", "p"), ("create_user",), write=True),
    "hosted.grant": Call(("u1", "n", "d"), ("set_privileges_on_database",), write=True),
    "hosted.mailboxes": Call(("u1",), ("list_pops",)),
    "hosted.add_mailbox": Call(("u1", "n", "a.jp", "p"), ("add_pop",), {"quota_megabytes": 1}, write=True),
    "hosted.certificate_check_runs": Call(("u1",), ("is_autossl_check_in_progress",)),
    "hosted.check_certificates": Call(("u1",), ("start_autossl_check",), write=True),
    "hosted.certificate_problem": Call(("u1", "a.jp"), ("get_autossl_problems",)),
    "hosted.wordpress": Call(("u1",), ("retrieve",)),
    "hosted.install_wordpress": Call(("u1",), ("create",), write=True),
}


def whmcs_answer(asked: Asked) -> tuple[str, dict[str, Any]]:
    action = asked.form["action"]
    body = {"result": "success", **WHMCS_ANSWERS[action]}
    return action, body | ({"invoiceid": int(asked.form["invoiceid"])} if action == "GetInvoice" else {})


def freebit_answer(asked: Asked) -> tuple[str, dict[str, Any]]:
    name = asked.path.rstrip("/").rpartition("/")[2]
    return name, {"resultCode": "100", "status": {"message": "OK", "statusCode": "200"}, **FREEBIT_ANSWERS[name]}


def whm_answer(asked: Asked) -> tuple[str, dict[str, Any]]:
    name = asked.path.rpartition("/")[2]
    metadata = {"version": 1, "result": 1, "reason": "OK", "command": name}
    if name != "uapi_cpanel":
        return name, {"metadata": metadata, "data": WHM_DATA.get(name, {})}
    function = asked.form["cpanel.function"]
    return function, {"metadata": metadata, "data": {"uapi": {"status": 1, "errors": None, "data": UAPI.get(function)}}}


class Vendor(NamedTuple):
    """A client, the modules around it, how its calls are made and answered."""

    client: type
    package: Any
    calls: dict[str, Call]
    answer: Callable[[Asked], tuple[str, dict[str, Any]]]
    settings: Callable[[str], dict[str, Any]]


VENDORS = {
    "whmcs": Vendor(WhmcsClient, whmcs, WHMCS_CALLS, whmcs_answer, lambda url: {"whmcs_url": url}),
    "freebit": Vendor(FreebitClient, freebit, FREEBIT_CALLS, freebit_answer, lambda url: {"freebit_url": url}),
    "whm": Vendor(WhmClient, whm, WHM_CALLS, whm_answer, lambda url: {"whm_url": url}),
}
EVERY_CALL = [pytest.param(vendor, name, id=f"{vendor}.{name}") for vendor in VENDORS for name in VENDORS[vendor].calls]


async def opened(vendor: Vendor, upstream: Upstream) -> Any:
    return await vendor.client.open(settings(**vendor.settings(upstream.url)))  # type: ignore[attr-defined]


async def anew(vendor: Vendor, upstream: Upstream, client: Any, which: str) -> Any:
    """Return a client without a cached key where it matters: a cached key is not requested again."""
    if which != "authOem":
        return client
    await client.close()
    return await opened(vendor, upstream)


def public_calls(vendor: Vendor, client: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Return the calls of the client itself, and those of its modules that are given the client."""
    for name, member in inspect.getmembers(client, inspect.iscoroutinefunction):
        if not name.startswith("_") and name not in LIFE:
            yield name, member
    for found in pkgutil.walk_packages(vendor.package.__path__, f"{vendor.package.__name__}."):
        module = importlib.import_module(found.name)
        for name, member in inspect.getmembers(module, inspect.iscoroutinefunction):
            first = next(iter(inspect.signature(member).parameters.values()), None)
            given_client = first is not None and first.annotation in (vendor.client, vendor.client.__name__)
            if member.__module__ == module.__name__ and not name.startswith("_") and given_client:
                yield f"{found.name.rpartition('.')[2]}.{name}", _with(member, client)


def _with(member: Callable[..., Any], client: Any) -> Callable[..., Any]:
    return lambda *given, **named: member(client, *given, **named)


def storable(value: Any) -> bool:
    """Return whether UTF-8 and Postgres can hold every text in it."""
    written = msgspec.json.encode(value, enc_hook=vars)
    return b"\\u0000" not in written and b"\x00" not in written


async def outcome(call: Callable[..., Any], how: Call) -> Any:
    """Make the call and return its value or its error."""
    try:
        found = await call(*how.given, **how.named)
    except UpstreamError as error:
        found = error
    assert storable(found.reason if isinstance(found, UpstreamError) else found)
    return found


@pytest.fixture(autouse=True)
def asked_once(monkeypatch):
    """Switch retries off: what fails every time need not be tried three times."""
    monkeypatch.setattr(api, "READ_ATTEMPTS", 1)


@pytest.mark.parametrize("name", VENDORS)
async def test_every_call_there_is_has_its_place_in_the_table(upstream, name):
    vendor = VENDORS[name]
    client = await opened(vendor, upstream)
    assert {each for each, _ in public_calls(vendor, client)} == set(vendor.calls)
    await client.close()


@pytest.mark.parametrize(("vendor_name", "name"), EVERY_CALL)
async def test_a_good_answer_is_understood(upstream, vendor_name, name):
    vendor = VENDORS[vendor_name]
    client = await opened(vendor, upstream)
    read: list[str] = []

    def answer(asked: Asked) -> Reply:
        which, body = vendor.answer(asked)
        read.append(which)
        return Reply(body)

    upstream.will().answer = answer
    found = await outcome(dict(public_calls(vendor, client))[name], vendor.calls[name])
    assert not isinstance(found, UpstreamError), found
    assert set(read) == set(vendor.calls[name].reads)
    await client.close()


@pytest.mark.parametrize(("vendor_name", "name"), EVERY_CALL)
async def test_spoiled_bytes_give_a_value_or_an_upstream_error(upstream, vendor_name, name):
    vendor = VENDORS[vendor_name]
    how = vendor.calls[name]
    client = await opened(vendor, upstream)
    for which in how.reads:
        if which == "authOem" and name != "log_in":
            continue  # opening a client costs more than all the rest
        for fault in BYTE_FAULTS:
            client = await anew(vendor, upstream, client, which)
            upstream.will().answer = spoiling(vendor, which, lambda body, fault=fault: fault.reply(encoded(body)))
            found = await outcome(dict(public_calls(vendor, client))[name], how)
            if how.write and which == how.reads[-1] and fault.status == 200:
                assert not isinstance(found, UpstreamMalformed | UpstreamUnavailable), (fault.name, found)
    await client.close()


@pytest.mark.parametrize(("vendor_name", "name"), EVERY_CALL)
async def test_a_wrong_value_in_any_place_gives_a_value_or_an_upstream_error(upstream, vendor_name, name):
    vendor = VENDORS[vendor_name]
    how = vendor.calls[name]
    client = await opened(vendor, upstream)
    for which in how.reads:
        seen: list[Any] = []
        upstream.will().answer = spoiling(vendor, which, lambda body, seen=seen: seen.append(body) or Reply(body))
        await outcome(dict(public_calls(vendor, client))[name], how)
        if which == "authOem" and name != "log_in":
            continue  # opening a client costs more than all the rest
        for place, body in with_wrong_values(seen[0]):
            client = await anew(vendor, upstream, client, which)
            upstream.will().answer = spoiling(vendor, which, lambda _, body=body: Reply(body))
            found = await outcome(dict(public_calls(vendor, client))[name], how)
            if how.write and which == how.reads[-1] and isinstance(found, UpstreamMalformed):
                pytest.fail(f"a write with {place} is said not to have been done: {found}")
    await client.close()


def encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def spoiling(vendor: Vendor, which: str, spoil: Callable[[Any], Reply]) -> Callable[[Asked], Reply]:
    """Good answers, but for one."""

    def answer(asked: Asked) -> Reply:
        name, body = vendor.answer(asked)
        return spoil(body) if name == which else Reply(encoded(body))

    return answer


async def test_a_charge_that_whmcs_calls_a_success_is_one_however_the_rest_reads(upstream):
    vendor = VENDORS["whmcs"]
    client = await opened(vendor, upstream)
    for content in (
        b'{"result":"success","message":"pay\xe9"}',
        b'\xef\xbb\xbf{"result":"success"}',
        b'<b>Warning</b>: x in /y.php on line 3\n{"result":"success"}',
        b'{"result":"success","message":"Pay',
        b'{"result":"success"}\n<br />Deprecated: {"result":"error"}',
    ):
        upstream.will(Reply(content))
        assert await client.charge("12") is None, "it was charged"
    for content in (
        b'{"result":"succ',
        b'{"message":"x","res',
        b'{"result":"error","message":"Payment att',
        b"success",
    ):
        upstream.will(Reply(content))
        with pytest.raises(OutcomeUnknown):
            await client.charge("12")
    await client.close()


async def test_a_read_that_was_cut_short_is_never_a_short_list(upstream):
    client = await opened(VENDORS["whmcs"], upstream)
    upstream.will(Reply(b'{"result":"success","products":{"product":[]},"totalre'))
    with pytest.raises(UpstreamMalformed):
        await client.services("1001")
    await client.close()


async def test_freebit_said_yes_in_shift_jis(upstream):
    client = await opened(VENDORS["freebit"], upstream)
    said = '{"resultCode":"100","status":{"message":"正常終了ソ"},"account":"0801"}'.encode("shift_jis")

    def answer(asked: Asked) -> Reply:
        return Reply({"resultCode": 100, "authKey": "k"}) if "authOem" in asked.path else Reply(said)

    upstream.will().answer = answer
    esim = EsimActivation(eid="8904", plan_code="P", sim_kind="E0")
    assert await client.activate_esim(esim) == "0801"
    await client.close()


async def test_amounts_in_other_spellings_are_read(upstream):
    client = await opened(VENDORS["whmcs"], upstream)
    rows = [{**SERVICE, "recurringamount": "1,000.00", "nextduedate": "30/11/2026", "id": " 7 ", "pid": "181.0"}]
    upstream.will(Reply({"result": "success", "totalresults": "1", "products": {"product": rows}}))
    (found,) = await client.services("1001")
    assert found.record_id == "7"
    assert Decimal(found.data["recurringamount"]) == 1000
    assert (found.data["recurringamount"], found.data["nextduedate"], found.data["pid"]) == (
        "1000.00",
        "2026-11-30",
        "181",
    )
    await client.close()
