"""Every hook point with a payload as WHMCS documents it, secrets included, and what the portal must learn of it."""

from typing import Any

SECRET = "hunter2-4111111111111111"
"""Stands wherever a payload carries something that must not leave WHMCS."""
WHERE_ROWS = {
    "tblorders": [{"id": 61, "userid": 7, "notes": SECRET}],
    "tblupgrades": [{"id": 71, "relid": 31, "userid": 7, "newvalue": SECRET}],
    "tblinvoiceitems": [
        {"id": 1, "invoiceid": 9023, "type": "Upgrade", "relid": 71, "description": SECRET},
        {"id": 2, "invoiceid": 9023, "type": "Hosting", "relid": 31, "description": SECRET},
        {"id": 3, "invoiceid": 9023, "type": "Upgrade", "relid": 99, "description": SECRET},
    ],
}
INVOICE = ("invoice", "21", None)
SERVICE = ("service", "31", "7")
CLIENT = ("client", "7", "7")
ORDER = ("order", "61", "7")
TICKET = ("ticket", "81", "7")

_invoice = {"invoiceid": 21, "user": SECRET, "status": "Unpaid"}
_module = {"params": {"serviceid": 31, "userid": 7, "pid": 3, "password": SECRET, "serveraccesshash": SECRET}}
_addon = {"id": 51, "userid": 7, "serviceid": 31, "addonid": 4, "notes": SECRET}
_ticket = {"ticketid": 81, "userid": 7, "subject": SECRET, "message": SECRET}

Told = tuple[str, str, str | None]

FIRED: dict[str, tuple[dict[str, Any], list[Told]]] = {
    **{
        event: (_invoice, [INVOICE])
        for event in (
            *("InvoiceCreation", "InvoiceCreated", "UpdateInvoiceTotal", "InvoicePaid", "InvoiceUnpaid"),
            *("InvoiceCancelled", "InvoiceRefunded", "InvoiceChangeGateway", "AddInvoiceLateFee"),
            *("PreInvoiceAutomaticCancellation", "AddInvoicePayment"),
        )
    },
    "InvoiceSplit": (
        {"originalinvoiceid": 21, "newinvoiceid": 22},
        [INVOICE, ("invoice", "22", None)],
    ),
    "AddTransaction": ({"id": 9, "userid": 7, "invocieid": 21, "transid": SECRET}, [("invoice", "21", "7")]),
    "ProductEdit": ({"pid": 3, "servertype": SECRET}, [("product", "3", None)]),
    "ProductDelete": ({"pid": 3}, [("product", "3", None)]),
    "CCUpdate": ({"userid": 7, "cardnum": SECRET, "cvv": SECRET}, [("pay_method", "7", "7")]),
    "ClientAdd": ({"client_id": 7, "user_id": 12, "userid": 7, "password": SECRET, "email": SECRET}, [CLIENT]),
    "ClientEdit": ({"userid": 7, "olddata": {"email": SECRET}, "address1": SECRET}, [CLIENT]),
    "ClientClose": ({"userid": "7"}, [CLIENT]),
    "PreDeleteClient": ({"userid": 7}, [CLIENT]),
    "AfterClientMerge": ({"toUserID": 8, "fromUserID": 7}, [("client", "7", "8")]),
    "ServiceEdit": ({"serviceid": 31, "userid": 7}, [SERVICE]),
    "PreServiceEdit": ({"serviceid": 31}, [("service", "31", None)]),
    "ServiceDelete": ({"serviceid": 31, "userid": 7}, [SERVICE]),
    "ServiceRecurringCompleted": ({"serviceid": 31, "clientId": 7}, [SERVICE]),
    "CancellationRequest": ({"userid": 7, "relid": 31, "reason": SECRET, "type": "Immediate"}, [SERVICE]),
    **{
        f"AfterModule{word}": (_module, [SERVICE])
        for word in ("Create", "Suspend", "Unsuspend", "Terminate", "ChangePackage", "Custom")
    },
    **{
        event: ({"upgradeid": 71}, [SERVICE])
        for event in ("AfterProductUpgrade", "AfterConfigOptionsUpgrade", "AfterAddonUpgrade")
    },
    **{
        f"Addon{word}": (_addon, [SERVICE])
        for word in (
            *("Add", "Edit", "Activation", "Activated", "Suspended", "Unsuspended"),
            *("Cancelled", "Terminated", "Renewal", "Fraud"),
        )
    },
    "AfterShoppingCartCheckout": ({"OrderID": 61, "OrderNumber": "123", "ServiceIDs": [31], "InvoiceID": 21}, [ORDER]),
    "OrderPaid": ({"orderId": 61, "userId": 7, "invoiceId": 21}, [ORDER]),
    **{
        event: ({"orderid": 61}, [ORDER])
        for event in ("AcceptOrder", "CancelOrder", "FraudOrder", "PendingOrder", "DeleteOrder", "CancelAndRefundOrder")
    },
    **{
        event: (_ticket, [TICKET])
        for event in (
            *("TicketOpen", "TicketOpenAdmin", "TicketUserReply", "TicketAdminReply"),
            *("TicketClose", "TicketStatusChange", "TicketDelete"),
        )
    },
}
"""Hook point → (payload, what is told: object, id, client)."""

MIRRORED = {
    "invoice": lambda told: ("invoice", told[1]),
    "service": lambda told: ("service", told[1]),
    "client": lambda told: ("client", told[1]),
    "pay_method": lambda told: ("pay_methods", told[2]),
    "order": lambda told: ("client_services", told[2]),
    "product": lambda told: ("products", "all"),
}
"""Object of a notice → the record that the portal reads again. Tickets are none."""
