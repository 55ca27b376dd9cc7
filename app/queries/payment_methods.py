"""An account's payment methods, with hints what to do about them, and the available gateways.

A hint depends on the date, so it is computed when the list is read.

Reads: read_model.payment_methods, document `payment-gateways` and what `slice_age` reads.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.calendar import today
from app.db import rows
from app.queries.reading import page, pending_writes
from app.queries.reading.slice_age import of_whmcs
from app.queries.reading.store import Answer, AnswerSource, Store, build_answer, etag_of
from app.queries.reading.unready import not_ready
from app.readmodels import documents
from app.readmodels.documents import with_members
from app.readmodels.gateways import DOCUMENT
from app.readmodels.payment_methods import HintCode, PaymentMethodHint
from app.readmodels.table import GLOBAL_ACCOUNT
from app.words.sentence import Sentence, say

LISTING = page.Listing("payment_methods", "sort_id", "bigint", body="document")


_ON_FILE = """
SELECT payment_method_id, description, expires, is_default FROM read_model.payment_methods WHERE account_id = $1
ORDER BY sort_id
"""


class MethodAge(Struct, frozen=True):
    """What hints depend on. `expires` is YYYY-MM, the last month in which the method can be used."""

    payment_method_id: str
    description: str
    expires: str | None
    is_default: bool | None


async def list_payment_methods(store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor) -> Answer:
    """List payment methods, newest first, with hints on every page."""
    freshness = await of_whmcs(store, account_id, "payment_methods", "pay_methods")
    found = await page.answer(store, account_id, LISTING, freshness, structs.replace(which, held=frozenset()), cursor)
    on_file = await rows(store.pool, MethodAge, _ON_FILE, account_id)
    body = msgspec.json.encode(hints(on_file, today(freshness.country, store.time_zone)))
    hinted = structs.replace(found, body=with_members(found.body, b'"hints":' + body), etag=etag_of(found.etag, body))
    return pending_writes.added(hinted, freshness.writes)


def hints(methods: Sequence[MethodAge], day: date) -> list[PaymentMethodHint]:
    """Say which methods need attention: the one that is charged, or any where that is not known, and a missing spare.

    A method is expiring in its last month and in the month before.
    """
    found = []
    this_month, next_month = _month(day), _month(day.replace(day=1) + timedelta(days=31))
    for each in methods:
        if each.is_default is False or each.expires is None or each.expires > next_month:
            continue
        found.append(_hint("expired" if each.expires < this_month else "expiring", each))
    usable = [each for each in methods if each.expires is None or each.expires >= this_month]
    if len(usable) == 1:
        found.append(_hint("add_backup", usable[0]))
    return found


def _hint(code: HintCode, method: MethodAge) -> PaymentMethodHint:
    return PaymentMethodHint(code=code, payment_method_id=method.payment_method_id, text=_said(code, method))


def _said(code: HintCode, method: MethodAge) -> Sentence:
    if code == "add_backup":
        return say("billing.hint_add_backup")
    description, expires = method.description, method.expires or ""
    if code == "expiring":
        return say("billing.hint_expiring", description=description, expires=expires)
    return say("billing.hint_expired", description=description, expires=expires)


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


async def gateways(store: Store) -> Answer:
    """List the gateways of the installation, the same for everyone."""
    found = await documents.read_with_freshness(
        store.pool, GLOBAL_ACCOUNT, DOCUMENT, upstream="whmcs", feed=store.catalog_feed
    )
    if found is None:
        raise await not_ready(store, GLOBAL_ACCOUNT, "whmcs", "gateways")
    body = with_members(found["body"], b'"next_cursor":null')
    source = AnswerSource("gateways", "all", found["as_of"], away=found["away"])
    return build_answer(body, found["etag"], source, parked_at=found["parked_at"])
