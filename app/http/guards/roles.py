"""Who may do what, on one screen. Deny by default: a route that no line here covers does not start.

The longest prefix of the route's template counts. Members of staff need a second factor everywhere but on the routes
that let them set one up.
"""

from collections.abc import Iterable

from litestar import Litestar
from msgspec import Struct

CUSTOMER = frozenset({"customer"})
SUPPORT, OPERATOR, ANALYST = frozenset({"support"}), frozenset({"operator"}), frozenset({"analyst"})
STAFF = SUPPORT | OPERATOR | ANALYST
SIGNED_IN = CUSTOMER | STAFF


class RoleRule(Struct, frozen=True):
    """Routes below a prefix.

    Attributes:
        roles: whose session opens them; None: no session is needed.
        blind: a session is not even looked at, so that the bytes are everybody's.
        second_factor: whether staff must have proven one.
    """

    prefix: str
    roles: frozenset[str] | None
    blind: bool = False
    second_factor: bool = True


RULES = (
    RoleRule("/api/public/", None, blind=True),
    RoleRule("/schema", None, blind=True),
    RoleRule("/webhooks/", None, blind=True),
    RoleRule("/api/health/", None, blind=True),
    RoleRule("/metrics", None, blind=True),
    RoleRule("/api/auth/", SIGNED_IN, second_factor=False),
    RoleRule("/api/auth/customer-number/check", None, blind=True),
    RoleRule("/api/auth/signup", None, blind=True),
    RoleRule("/api/auth/login", None, blind=True),
    RoleRule("/api/auth/login/code", None, blind=True),
    RoleRule("/api/auth/link", None, blind=True),
    RoleRule("/api/auth/password/forgot", None, blind=True),
    RoleRule("/api/auth/password/reset", None, blind=True),
    RoleRule("/api/account/", CUSTOMER),
    RoleRule("/api/orders", CUSTOMER),
    RoleRule("/api/invoices", CUSTOMER),
    RoleRule("/api/payment-methods", CUSTOMER),
    RoleRule("/api/payment-gateways", CUSTOMER),
    RoleRule("/api/subscriptions", CUSTOMER),
    RoleRule("/api/cases", CUSTOMER),
    RoleRule("/api/events", CUSTOMER),
    RoleRule("/api/commands/", SIGNED_IN),
    RoleRule("/api/admin/dead-letters", OPERATOR),
    RoleRule("/api/admin/projections", OPERATOR),
    RoleRule("/api/admin/fulfilments", OPERATOR),
    RoleRule("/api/admin/subscriptions", OPERATOR),
    RoleRule("/api/admin/plan-changes", OPERATOR),
    RoleRule("/api/admin/scheduled-changes", OPERATOR),
    RoleRule("/api/admin/accounts/", OPERATOR | SUPPORT),
)


def rule_of(template: str) -> RoleRule | None:
    """The rule for a route, by its path or its template."""
    found = [rule for rule in RULES if _covers(rule.prefix, template)]
    return max(found, key=lambda rule: len(rule.prefix), default=None)


def is_open(path: str) -> bool:
    """Whether a route needs no session."""
    rule = rule_of(path)
    return rule is not None and rule.roles is None


def _covers(prefix: str, path: str) -> bool:
    """`/api/orders` covers itself and what is below it, and not `/api/orders-of-others`."""
    return path == prefix.rstrip("/") or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def refuse_uncovered(app: Litestar) -> None:
    """Every route must be somebody's.

    Raises:
        RuntimeError: names the routes that no rule covers.
    """
    uncovered = sorted(_uncovered(route.path for route in app.routes))
    if uncovered:
        raise RuntimeError(f"app/http/guards/roles.py has no rule for {', '.join(uncovered)}.")


def _uncovered(paths: Iterable[str]) -> set[str]:
    return {path for path in paths if rule_of(path) is None and path != "/"}
