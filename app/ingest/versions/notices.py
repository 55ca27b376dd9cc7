"""Notices: what an account's version changed, written in the commit that raised it.

`publish` announces them to subscribers; event streams resume from them for a day.

Writes: ingest.notices.
"""

from collections.abc import Collection, Mapping
from typing import Literal
from uuid import UUID

from app.db import Db

NOTHING = ""
"""The slice of a notice that only keeps an account's versions gapless."""
COMMANDS = "commands"
"""The slice of a notice about a command; its item is the command's id."""

READS = "notification_reads"
"""The slice of a notice that notifications were marked as read."""

EXPORTS = "account_exports"
"""The slice of a notice about a customer's export; its item is the export's id."""

Outcome = Literal["shown", "unchanged", "rejected", "given_up"]
"""How a command ended.

- shown: its effect is in the read models from this version on.
- unchanged: nothing had to change; what it asked for was there already.
- rejected: a rule or an upstream refused it; nothing was done.
- given_up: the portal no longer works on it, and does not know that it took effect.
"""

_ADD = """
INSERT INTO ingest.notices (account_id, slice, item_id, version, outcome)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[])
"""


async def add(connection: Db, named: Collection[tuple[UUID, str, str]], versions: Mapping[UUID, int]) -> None:
    """Add a notice for each (account, read model, item), at the account's present version."""
    if named:
        accounts, slices, items = zip(*sorted(named), strict=True)
        of = [versions[account] for account in accounts]
        await connection.execute(_ADD, accounts, slices, items, of, [None] * len(of))


async def add_outcomes(
    connection: Db, outcomes: Mapping[tuple[UUID, UUID], Outcome], versions: Mapping[UUID, int]
) -> None:
    """Add a notice for the outcome of each (account, command), at the account's present version."""
    ordered = sorted(outcomes)
    if ordered:
        accounts = [account for account, _ in ordered]
        await connection.execute(
            _ADD,
            accounts,
            [COMMANDS] * len(ordered),
            [str(command) for _, command in ordered],
            [versions[account] for account in accounts],
            [outcomes[each] for each in ordered],
        )
