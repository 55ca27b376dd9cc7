"""Every action the stand-in knows, by lower-case name: `ACTIONS` maps to the vendor's spelling and the function."""

from sandbox.whmcs.actions import (
    client_reads,
    clients,
    instruments,
    invoice_reads,
    invoices,
    orders,
    payments,
    promotions,
    provisioning,
    services,
    system,
)
from sandbox.whmcs.actions.call import Action

_FAMILIES = (
    clients,
    client_reads,
    invoices,
    invoice_reads,
    payments,
    instruments,
    services,
    provisioning,
    orders,
    promotions,
    system,
)
ACTIONS: dict[str, tuple[str, Action]] = {
    name.lower(): (name, action) for family in _FAMILIES for name, action in family.ACTIONS.items()
}
