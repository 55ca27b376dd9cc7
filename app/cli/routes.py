"""`portal routes`: every route with the policy that its handler declares."""

from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.cli.as_json import print_json
from app.cli.document import unconfigured
from app.http.policies.table import DeclaredRoute, routes_of

WIDE = 240


class RouteRow(Struct, frozen=True, kw_only=True):
    """A line of the table. `roles` is null for routes without a session."""

    method: str
    path: str
    roles: list[str] | None
    second_factor: bool
    limit: str
    network: str
    command: str | None
    idempotency_key: str
    problems: list[int]
    fast: bool


def print_routes(*, as_json: bool) -> None:
    """Print the table, or one JSON object."""
    rows = [_row(route) for route in routes_of(unconfigured())]
    if as_json:
        print_json({"routes": rows})
        return
    table = Table(box=SIMPLE_HEAD)
    for name in ("Route", "Roles", "Limit", "Network", "Command", "Key", "Fast", "Problems"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        problems = " ".join(map(str, row.problems))
        fast = "fast" if row.fast else ""
        named = (row.limit, row.network, row.command or "", row.idempotency_key if row.command else "")
        table.add_row(f"{row.method:6} {row.path}", _roles(row), *named, fast, problems)
    Console(width=WIDE).print(table)


def _row(route: DeclaredRoute) -> RouteRow:
    policy = route.policy
    return RouteRow(
        method=route.method,
        path=route.path,
        roles=None if policy.roles is None else sorted(policy.roles),
        second_factor=policy.second_factor,
        limit=policy.limit,
        network=policy.network,
        command=policy.command.name if policy.command else None,
        idempotency_key=policy.idempotency_key,
        problems=route.statuses,
        fast=policy.fast is not None,
    )


def _roles(row: RouteRow) -> str:
    if row.roles is None:
        return "anybody"
    return "signed in" if len(row.roles) > 2 else ", ".join(row.roles)
