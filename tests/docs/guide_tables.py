"""`make guides` writes the tables of docs/guides that say what the code says: owners, freshness, states and their
sentences. A test fails when page and code differ.

A table stands between `<!-- generated: name -->` and `<!-- end of name -->`. `TABLES` has a function for each name.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args
from uuid import UUID

import msgspec

from app.cli.document import unconfigured
from app.events import Record
from app.http.policies.policy import CUSTOMER, Policy
from app.http.policies.table import routes_of
from app.projections import orders as order_projection
from app.projections.projector import Group, Projector
from app.projections.registry import projectors
from app.queries.catalog import Availability
from app.readmodels import cases, invoices, orders, subscriptions
from app.readmodels.freshness import BOUND_SECONDS, EVENT_FED, StaleReason
from app.readmodels.ordering import eligibility
from app.settings import Settings, load
from tests.docs.resources_of import resources_of

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
FULFILMENT = GUIDES.parent / "fulfilment.md"
ACTIVATIONS = ("Created", "Activating", "Activated", "Failed")
AFTERWARDS = ("HOSTING_ACCOUNT_", "HOSTING_FEATURE_", "HOSTING_QUOTA_", "CERTIFICATE_", "WORDPRESS_", "PROVISION_")
"""How codes of the steps after activation begin."""
NOT_ON_AN_ORDER = ("ORDER_NOT_APPROVED", *AFTERWARDS)
"""How codes begin that staff never find on an order."""
AT = datetime(2026, 1, 31, tzinfo=UTC)
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n)(.*?)(<!-- end of \2 -->)", re.S)
SYSTEMS = {"salesforce": "Salesforce", "whmcs": "WHMCS", "whm": "WHM"}
UPSTREAMS = ("Salesforce", "WHMCS", "Freebit", "WHM")
COPIES = {
    "catalog": "products and prices",
    "eligibility": "Internet availability at the customer's address",
    "gateways": "ways to pay",
    "invoices": "invoices, payments, refunds",
    "orders": "orders and their states",
    "payment_methods": "payment methods on file",
    "profiles": "name, contact data, billing address",
    "subscriptions": "services, add-ons, cancellations, plan changes",
    "timeline_cases": "history of support requests",
    "timeline_invoices": "history of bills and payments",
    "timeline_orders": "history of orders",
    "timeline_subscriptions": "history of services",
}
"""Read model → what a colleague calls it."""
PORTALS_OWN = re.compile(r"client_\w+|pay_methods|\w+Stage|\w+_stage|scheduled_change|\w*dunning")
"""Records that the portal makes itself: marks of what was read when, states that were seen, plans for later."""
NAMES = {"product2": "product", "addon": "add-on"}
OWNERS = {
    **dict.fromkeys(("catalog", "account_history"), "Salesforce"),
    **dict.fromkeys(BOUND_SECONDS, "WHMCS"),
}
"""Resource → the system that owns it."""
Row = Sequence[str]


def table(head: Row, rows: Iterable[Row]) -> str:
    """Render a table."""
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def said(sentence: str) -> str:
    """Render what a customer reads."""
    return f"“{sentence}”"


def defaults() -> Settings:
    """The settings of an installation that sets nothing but what it must."""
    required = [field.name.upper() for field in msgspec.structs.fields(Settings) if field.required]
    return load(dict.fromkeys(required, "x" * 32))


def words(seconds: float) -> str:
    """Write a time as people say it."""
    for size, name in ((3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size:
            count = seconds / size
            return f"{count:g} {name}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def ownership() -> str:
    """Each copy that the portal holds, whose it is, and which records it is made of."""
    shown = [each for each in projectors(defaults()) if each.name != "freshness"]
    rows = [
        (COPIES.get(each.name, each.name.replace("_", " ")), SYSTEMS[each.source], ", ".join(_records(each)))
        for each in shown
    ]
    return table(
        ("the portal shows", "owned by", "made of these records there"), sorted(rows, key=lambda row: row[1::-1])
    )


def _records(projector: Projector) -> list[str]:
    own = [name for name in (*projector.reads, *projector.owner_context) if not PORTALS_OWN.fullmatch(name)]
    plain = {re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name).lower() for name in own}
    plain |= {each.target.lower() for each in projector.lookups}
    return sorted(NAMES.get(name, name) for name in plain)


def freshness() -> str:
    """Each page of a customer: its owner, and the age after which the portal compares it with the owner."""
    rows = []
    for route in routes_of(unconfigured()):
        policy, path = route.policy, route.path
        if route.method != "GET" or not path.startswith("/api/") or not (_of_customers(policy) or "/public/" in path):
            continue
        found = sorted(resources_of(route.handler.fn))
        if found or policy.asks_upstream:
            owners = sorted({OWNERS[each] for each in found}) or ["Salesforce"]
            rows.append((route.handler.summary or "", f"`{path}`", " and ".join(owners), _bound(found)))
    return table(("page", "route", "owned by", "compared again"), rows)


def _of_customers(policy: Policy) -> bool:
    return policy.roles == CUSTOMER


def _bound(resources: Sequence[str]) -> str:
    if not resources:
        return "at every look: it is read from the owner"
    limits = [words(each) for each in sorted({BOUND_SECONDS[each] for each in resources if each not in EVENT_FED})]
    silence = f"changes arrive by themselves; late after {words(defaults().feed_bound_seconds)} of silence"
    each = "each part " if len(limits) > 1 else ""
    parts = [f"{each}when older than {', '.join(limits)}"] if limits else []
    return "; ".join([*parts, *([silence] if EVENT_FED & set(resources) else [])])


def bounds() -> str:
    """The bounds by themselves."""
    names = {
        "client_invoices": "the list of invoices",
        "invoice": "one invoice",
        "client_services": "the list of services",
        "service": "one service",
        "pay_methods": "payment methods",
        "gateways": "ways to pay",
        "client": "name, contact data, address",
    }
    rows = [(names.get(each, each.replace("_", " ")), words(seconds)) for each, seconds in BOUND_SECONDS.items()]
    return table(("what", "compared with WHMCS when older than"), rows)


def writes() -> str:
    """Each thing that a customer can do, and the systems in which it is written."""
    rows = set()
    for route in routes_of(unconfigured()):
        command = route.policy.command
        if command is None or not _of_customers(route.policy):
            continue
        text = " ".join((sys.modules[command.handle.__module__].__doc__ or "").split())
        parts = re.findall(r"(?:Writes|Reads and writes): (.+?)\.(?= [A-Z]|$)", text)
        found = [name for name in UPSTREAMS if re.search(rf"\b{name}\b", " ".join(parts))]
        rows.add((route.handler.summary or "", ", ".join(found) or "nothing outside the portal"))
    return table(("what the customer does", "written in"), sorted(rows))


def order_states() -> str:
    """The states of an order that a customer sees, with the sentence of each, as orders of every kind show them."""
    words = dict.fromkeys(order_projection.REVIEWS)
    shown = [_shown(word, activation) for word in words for activation in (None, *ACTIVATIONS)]
    shown += [_shown(_decided(code), _stopped(on), code) for code, _, on in _codes()]
    said_of: dict[str, str] = {}
    for state, sentence in shown:
        said_of.setdefault(state, sentence)
    return table(
        ("state", "what the customer reads"),
        [(f"`{each}`", said(said_of[each])) for each in get_args(orders.OrderStatus)],
    )


def order_reviews() -> str:
    """What staff choose as the status of an order in Salesforce, and the state that it means."""
    rows = [(word.title(), f"`{_shown(word)[0]}`") for word in order_projection.REVIEWS]
    return table(("*Status* in Salesforce", "state that the customer sees, while nothing else is known"), rows)


def order_pauses() -> str:
    """The codes that stop an order, from docs/fulfilment.md, with what the customer sees and reads."""
    rows = []
    for code, means, on in _codes():
        state, sentence = _shown(_decided(code), _stopped(on), code)
        rows.append((f"`{code}`", means, f"`{state}`", said(sentence), on))
    return table(("code in Salesforce", "means", "the customer's state", "what the customer reads", "goes on"), rows)


def _codes() -> list[tuple[str, str, str]]:
    """Each code of an order that is not active yet, what it means, and how the order goes on."""
    section = FULFILMENT.read_text().split("## Codes")[1].split("## After activation")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    each = [(code, row[1], row[2]) for row in rows for code in re.findall(r"`(\w+)`", row[0])]
    return [row for row in each if not row[0].startswith(NOT_ON_AN_ORDER)]


def _stopped(on: str) -> str:
    """The activation state of an order that goes on by itself, or waits for staff."""
    return "Activating" if on.startswith("by itself") else "Failed"


def _decided(code: str) -> str:
    """What staff set as the status of an order with this code."""
    return "Cancelled" if code.startswith("CANCELLED_") else "Approved"


def _shown(review: str, activation: str | None = None, code: str | None = None) -> tuple[str, str]:
    """State and sentence of an order, as the read model has them."""
    data = {"Status": review, "Activation_Status__c": activation, "Activation_Error_Code__c": code}
    order = Record(
        source="salesforce", object="Order", record_id="801A", version=1, occurred_at=AT, verified_at=AT, data=data
    )
    [row] = order_projection.projector(defaults()).project(Group(UUID(int=1), "801A", [order], {})).rows
    found = json.loads(row["document"])
    return found["status"], found["status_text"]


def subscription_states() -> str:
    """The states of a service."""
    rows = [(f"`{word}`", said(text)) for word, text in subscriptions.STATUS_TEXTS.items()]
    return table(
        ("state", "what the customer reads"), [*rows, ("`suspended`, unpaid", said(subscriptions.OVERDUE_TEXT))]
    )


def invoice_states() -> str:
    """WHMCS's statuses of an invoice, and whether it can be paid."""
    rows = [
        (word, f"`{state}`", "yes" if state in invoices.PAYABLE else "no", "no" if state == "draft" else "yes")
        for word, state in invoices.STATUSES.items()
    ]
    rows.append(("any other word", f"`{invoices.UNKNOWN}`", "no", "yes"))
    return table(("status in WHMCS", "state in the portal", "can be paid", "shown"), rows)


def case_states() -> str:
    """The states of a support request, with the statuses of staff that lead to them."""
    rows = [
        (", ".join(word for word in cases.STATUSES if cases.STATUSES[word] == state), f"`{state}`", said(text))
        for state, text in cases.STATUS_TEXTS.items()
    ]
    return table(("*Status* in Salesforce", "state", "what the customer reads"), rows)


def eligibility_states() -> str:
    """What staff enter about availability, and what the customer reads."""
    rows = [
        (
            ", ".join(word.title() for word in eligibility.STATUSES if eligibility.STATUSES[word] == state),
            f"`{state}`",
            said(text),
        )
        for state, text in eligibility.TEXTS.items()
    ]
    return table(("*Internet Eligibility Status* in Salesforce", "state", "what the customer reads"), rows)


def volatile() -> str:
    """The only fields of the catalog that change without a change of a product."""
    return "".join(f"- `availability.{name}`\n" for name in Availability.__struct_fields__)


def stale_reasons() -> str:
    """The reasons for being late."""
    return "".join(f"- `{reason}`\n" for reason in get_args(StaleReason))


def lifetimes() -> str:
    """How long copies of the public catalog live, and how old one can be at worst."""
    settings = defaults()
    browser, shared = settings.public_max_age_seconds, settings.public_shared_max_age_seconds
    rows = [
        ("the cache serves a copy without asking", "`PUBLIC_SHARED_MAX_AGE_SECONDS`", words(shared)),
        ("and, while it asks, once more", "the same", words(shared)),
        ("a browser uses its copy without asking", "`PUBLIC_MAX_AGE_SECONDS`", words(browser)),
        ("and, while it asks, once more", "`PUBLIC_SHARED_MAX_AGE_SECONDS`", words(shared)),
        ("**at worst, all together**", "", f"**{words(3 * shared + browser)}**"),
    ]
    return table(("time", "setting", "default"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "ownership": ownership,
    "freshness": freshness,
    "bounds": bounds,
    "writes": writes,
    "order-states": order_states,
    "order-reviews": order_reviews,
    "order-pauses": order_pauses,
    "subscription-states": subscription_states,
    "invoice-states": invoice_states,
    "case-states": case_states,
    "eligibility-states": eligibility_states,
    "volatile": volatile,
    "stale-reasons": stale_reasons,
    "lifetimes": lifetimes,
}


def written(text: str) -> str:
    """A page with its tables as the code has them now."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[4]}", text)


if __name__ == "__main__":
    for page in sorted(GUIDES.glob("*.md")):
        page.write_text(written(page.read_text()))
