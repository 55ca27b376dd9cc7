"""An account's standing: everything about it that decides what it may order."""

from msgspec import Struct

from app.postal import Address


class Standing(Struct, frozen=True, kw_only=True):
    """The account, as far as it is known. A list that was never read must not count as empty.

    Attributes:
        client_status: WHMCS's word; empty when it was never read.
        services_known, orders_known: the account's services and orders were read.
        has_internet: it has an Internet service, or an open order for one.
        internet_status: `eligible` or another status of eligibility; None when it was never read.
        internet_offering: the Internet line that is available.
        checked_address: the address whose availability was checked, in one line; empty when nobody recorded it.
        address: the billing address on file, if it is complete.
        hosted_domains: the domains of its hosting services and open orders, as DNS spells them.
        has_payment_method: None when the list was never read.
    """

    client_status: str
    services_known: bool
    orders_known: bool
    has_active_sim: bool
    has_internet: bool
    internet_status: str | None
    internet_offering: str | None
    checked_address: str = ""
    address: Address | None
    hosted_domains: frozenset[str] = frozenset()
    has_payment_method: bool | None
