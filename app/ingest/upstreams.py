"""The upstreams whose records are mirrored, as everything that reads them again is given them."""

from msgspec import Struct

from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whmcs.client import WhmcsClient


class Upstreams(Struct, frozen=True):
    """The two systems whose records are mirrored."""

    salesforce: SalesforceClient
    whmcs: WhmcsClient
