"""Each table of the database has one package that writes it, and this is the list.

Two packages that write one table agree on nothing but its columns: a rule of one is unknown to the other. Erasing
personal data, forgetting by age and planting samples are apart; each is listed with its reason.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from app.commands.identity import encryption

APP = Path(__file__).parents[1] / "app"

OWNERS = {
    "ingest.canaries": "app.ingest.sources",
    "ingest.checkpoints": "app.ingest.inbox",
    "ingest.client_merges": "app.ingest.refetch",
    "ingest.dead_letters": "app.ingest",
    "ingest.drift": "app.ingest.catch_up",
    "ingest.fanouts": "app.projections.engine",
    "ingest.inbox": "app.ingest",
    "ingest.notices": "app.ingest.versions",
    "ingest.progress": "app.ingest",
    "ingest.unreadables": "app.ingest.inbox",
    "mirror.records": "app.ingest.apply",
    "portal.account_exports": "app.commands.account",
    "portal.audit": "app.audit",
    "portal.billing_tasks": "app.schedule",
    "portal.capture_attempts": "app.commands.billing",
    "portal.captures": "app.commands.billing",
    "portal.clock_jobs": "app.schedule",
    "portal.clock_runs": "app.schedule",
    "portal.commands": "app.commands.execution",
    "portal.dunning": "app.commands.dunning",
    "portal.dunning_holds": "app.commands.dunning",
    "portal.dunning_news": "app.commands.dunning",
    "portal.dunning_steps": "app.commands.dunning",
    "portal.dunning_suspensions": "app.commands.dunning",
    "portal.enrolments": "app.commands.identity",
    "portal.erased_owners": "app.ingest.privacy",
    "portal.erasures": "app.personal_data",
    "portal.fulfilment_steps": "app.commands.fulfilment",
    "portal.fulfilments": "app.commands.fulfilment",
    "portal.id_mappings": "app.ingest",
    "portal.invitations": "app.commands.identity",
    "portal.link_tokens": "app.personal_data",
    "portal.mails": "app.commands",
    "portal.money_stops": "app.schedule",
    "portal.notification_reads": "app.commands.account",
    "portal.password_resets": "app.commands.identity",
    "portal.plan_changes": "app.commands.subscriptions",
    "portal.provided_services": "app.commands.providers",
    "portal.provider_steps": "app.commands.providers",
    "portal.provision_steps": "app.commands.fulfilment",
    "portal.queued_commands": "app.commands.execution",
    "portal.recovery_codes": "app.commands.identity",
    "portal.scheduled_changes": "app.commands.subscriptions",
    "portal.sessions": "app.commands.identity",
    "portal.sign_in_codes": "app.commands.identity",
    "portal.signups": "app.commands.identity",
    "portal.suspension_permits": "app.commands.dunning",
    "portal.totp": "app.commands.identity",
    "portal.users": "app.commands.identity",
    "read_model.account_versions": "app.ingest.versions",
    "read_model.documents": "app.projections.engine",
    "read_model.feeds": "app.ingest",
    "read_model.generations": "app.projections.engine",
    "read_model.outages": "app.integrations.admission",
    "read_model.pending": "app.ingest.inbox",
    "read_model.upstreams": "app.integrations.admission",
}
"""Table → the package, or module, that alone writes it. `portal.link_tokens` is of former releases and is
only emptied."""

PERSONAL_DATA = ("app.personal_data", "app.ingest.privacy")
"""Erase a customer wherever the customer is; what they write is asserted by tests/personal_data."""

SAMPLES = {("app.cli.stack.sample_users", "portal.users"), ("app.cli.stack.sample_users", "portal.id_mappings")}
"""`portal up` plants users under ids that are the same in every run. No installation runs it."""

COMPUTED = {
    ("app.commands.identity.reseal", "kind.table"): "the sealed columns of `encryption.STORED`, each its own package's",
    ("app.ingest.retention", "rule.table"): "six literal rules that delete rows by age from any table",
    ("app.personal_data.steps", "table"): "personal data in every generation of a read model",
    ("app.projections.engine.moved_items", "table.relation(generation)"): "generations.*",
    ("app.projections.engine.write_rows", "table.relation(generation)"): "generations.*",
    ("app.projections.engine.write_rows", "relation"): "generations.*",
    ("app.readmodels.table", "self.relation(generation)"): "generations.*; spelled here, executed by the engine",
}
"""Statements whose table is no literal: (module, expression) → what they write."""

_WRITE = re.compile(
    r"\b(?:INSERT\s+INTO|(?<!FOR )(?<!DO )(?<!KEY )UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|MERGE\s+INTO|COPY)\s+"
    r"(?:ONLY\s+)?(?:([a-z_]+\.[a-z_]+)|\{([^}]*)\})"
)


def texts(source: str) -> Iterator[str]:
    """Every string, with `{expression}` for what a formatted one inserts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"  # type: ignore[attr-defined]
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def writes(source: str) -> set[tuple[str, str]]:
    """The tables that a module writes: (literal table, "") or ("", expression)."""
    return {(table, expression) for text in texts(source) for table, expression in _WRITE.findall(text)}


def modules() -> Mapping[str, str]:
    found = {path.relative_to(APP.parent).with_suffix("").parts: path.read_text() for path in APP.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): source for parts, source in found.items()}


MODULES = modules()


def within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


@pytest.mark.parametrize("module", sorted(name for name, source in MODULES.items() if writes(source)))
def test_a_module_writes_its_own_tables_only(module: str) -> None:
    assert strangers(module, MODULES[module]) == []


def strangers(module: str, source: str) -> list[str]:
    """What a module writes that is not in the list, or that is another's."""
    return sorted(
        table or f"{{{expression}}}"
        for table, expression in writes(source)
        if not (
            (module, expression) in COMPUTED
            if expression
            else table in OWNERS
            and (
                within(module, OWNERS[table])
                or any(within(module, package) for package in PERSONAL_DATA)
                or (module, table) in SAMPLES
            )
        )
    )


def test_every_owner_writes_its_table() -> None:
    """No line of the list outlives its reason."""
    writers: dict[str, set[str]] = defaultdict(set)
    for module, source in MODULES.items():
        for table, expression in writes(source):
            writers[table or expression].add(module)
    idle = [table for table, owner in OWNERS.items() if not any(within(module, owner) for module in writers[table])]
    assert idle == []
    assert {(module, expression) for module, expression in COMPUTED if module not in writers[expression]} == set()
    assert {(module, table) for module, table in SAMPLES if module not in writers[table]} == set()


def test_only_its_own_package_seals_again() -> None:
    assert {OWNERS[kind.table] for kind in encryption.STORED} == {"app.commands.identity"}


@pytest.mark.parametrize(
    ("module", "source", "found"),
    [
        ("app.http.routes.orders", "pool.execute('DELETE FROM portal.sessions WHERE id = $1')", ["portal.sessions"]),
        ("app.queries.orders", 'SQL = """\nWITH a AS (UPDATE ingest.inbox SET x = 1) SELECT 1"""', ["ingest.inbox"]),
        ("app.commands.billing.refunds", "'INSERT INTO portal.refunds (id) VALUES ($1)'", ["portal.refunds"]),
        ("app.commands.support.open_case", "f'TRUNCATE {table}'", ["{table}"]),
        ("app.commands.identity.log_in", "'SELECT 1 FROM portal.audit FOR UPDATE OF x'", []),
        ("app.audit", "'INSERT INTO portal.audit (action) VALUES ($1) ON CONFLICT DO UPDATE SET x = 1'", []),
    ],
)
def test_a_second_writer_is_noticed(module: str, source: str, found: list[str]) -> None:
    assert strangers(module, source) == found
