"""What WHMCS's gateway log says of an invoice, where the installation lets it be read.

No action of WHMCS returns its gateway log. `deploy/whmcs/portalgatewaylog.php` adds one, which an installation may
leave out.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.intake import parse
from app.integrations.error_translation import translates_all_errors
from app.integrations.whmcs.api import Api
from app.integrations.whmcs.decline_texts import GatewayWords, read
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.wire import as_list, identifier, text

ACTION = "PortalGatewayLog"
_ACCEPTED = re.compile(r"\s*(succe|approved|captured|paid)", re.I)
_DECLINED = re.compile(r"declin|fail|unsucc|error|invalid|refus|reject", re.I)


class GatewayEntry(Struct, frozen=True):
    """One entry: when, what WHMCS made of it (`Declined`, `Success`), and what the gateway said."""

    entry_id: int
    at: datetime | None
    result: str
    words: GatewayWords

    @property
    def accepted(self) -> bool | None:
        """Whether the gateway took the money; None if the result says neither, as `Pending` does."""
        if _ACCEPTED.match(self.result):
            return True
        return False if _DECLINED.search(self.result) else None


@translates_all_errors(WHMCS)
class GatewayLog:
    """The gateway log of one installation."""

    def __init__(self, api: Api, zone: str) -> None:
        self._api, self._zone = api, ZoneInfo(zone)

    async def entries(self, invoice_id: str) -> Sequence[GatewayEntry]:
        """Read the newest entries of an invoice, newest first.

        Raises:
            UpstreamError, among them UpstreamAuthFailed where the action is not installed.
        """
        body = await self._api.call(ACTION, {"invoiceid": invoice_id})
        with understood(ACTION):
            rows = as_list(body.get("entries"), "entry")
            found = [self._entry(row) for row in rows if identifier(row.get("invoiceid")) == invoice_id]
        return sorted(found, key=lambda each: each.entry_id, reverse=True)

    def _entry(self, row: dict[str, Any]) -> GatewayEntry:
        entry_id = int(identifier(row.get("id")) or 0)
        at = parse.instant(row.get("date"), self._zone)
        return GatewayEntry(entry_id, at, text(row.get("result")), read(text(row.get("data"))))
