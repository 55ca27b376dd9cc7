"""Recompute read models from the mirror, inside the transaction that changed it.

For every projector: which groups do the changed records touch, whose accounts are they, lock those accounts in order,
load each group whole, compute, write to every generation. Computing is pure, so any order or repetition of the same
changes ends in the same rows. Two shards that touch one group or one account take turns, and the later one sees what
the earlier one wrote: first by a lock on the group and its owner, taken before anything is looked up, because a child
whose parent is not committed yet knows no account; then by the account's version row.

Reads: mirror.records, portal.id_mappings, read_model.generations. Writes: read_model.*, generations.*, ingest.notices.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.events import Record
from app.projections import generations, groups, rows, vacated
from app.projections.projector import Projector

Plan = dict[groups.GroupKey, tuple[str, UUID]]
"""Group → its upstream owner and that owner's account."""


class Work(Struct):
    """What a commit means for one projector: groups to compute, and items that left their account."""

    projector: Projector
    plan: Plan
    left: set[vacated.Item]


async def project(
    projectors: Sequence[Projector], connection: Any, changed: Sequence[Record], verified: Sequence[Record]
) -> None:
    """Bring every generation of every read model up to date with these records.

    `changed` may name a record twice, as it was and as it is, when it went from one owner or parent to another.
    `verified` records did not change: their rows learn that they are true as of now, and nobody is notified.
    """
    await groups.lock(connection, projectors, [*changed, *verified])
    targets = await generations.live(connection, projectors)
    feeding = {(each.projector.name, each.projector.version): each.projector for each in targets}.values()
    works = [await _work(connection, projector, changed) for projector in feeding]
    seen = [Work(each, await _plan(connection, each, verified), set()) for each in feeding] if verified else []
    touched = {account for work in works for account in _accounts(work)}
    accounts = {account for work in seen for account in _accounts(work)} | touched
    if not accounts:
        return
    versions = await _versions(connection, accounts, touched)
    for work in _merged(works, seen):
        into = [each.generation for each in targets if each.projector is work.projector]
        computed = rows.compute(work.projector, await groups.load(connection, work.projector, work.plan), versions)
        for generation in into:
            await vacated.remove(connection, work.projector, generation, work.left)
            await rows.write(connection, work.projector, generation, computed)
    await _notify(connection, works, versions)


async def _work(connection: Any, projector: Projector, changed: Sequence[Record]) -> Work:
    plan = await _plan(connection, projector, changed)
    return Work(projector, plan, await vacated.find(connection, projector, changed, plan))


async def _plan(connection: Any, projector: Projector, records: Sequence[Record]) -> Plan:
    keys = await groups.touched(connection, projector, records)
    if not keys:
        return {}
    if projector.scope == "global":
        return dict(groups.GLOBAL_OWNER)
    owners = await groups.owners_of(connection, projector, keys)
    accounts = await groups.accounts_of(connection, projector.source, owners.values())
    return {key: (owner, accounts[owner]) for key, owner in owners.items() if owner in accounts}


def _accounts(work: Work) -> set[UUID]:
    return {account for _, account in work.plan.values()} | {account for account, _ in work.left}


def _merged(works: Sequence[Work], seen: Sequence[Work]) -> Iterable[Work]:
    """Changed and merely verified groups of one projector, to be loaded and written together."""
    verified = {(work.projector.name, work.projector.version): work.plan for work in seen}
    for work in works:
        plan = {**verified.get((work.projector.name, work.projector.version), {}), **work.plan}
        if plan or work.left:
            yield Work(work.projector, plan, work.left)


async def _versions(connection: Any, accounts: set[UUID], raised: set[UUID]) -> Mapping[UUID, int]:
    """Raise the versions of accounts that change, and hold all their rows, in one order for everybody."""
    ordered = sorted(accounts)
    found = await connection.fetch(
        "INSERT INTO read_model.account_versions AS v (account_id, version) "
        "SELECT * FROM unnest($1::uuid[], $2::bigint[]) AS a (account_id, step) ORDER BY account_id "
        "ON CONFLICT (account_id) DO UPDATE SET version = v.version + excluded.version, changed_at = "
        "CASE WHEN excluded.version = 0 THEN v.changed_at ELSE now() END RETURNING account_id, version",
        ordered,
        [int(account in raised) for account in ordered],
    )
    return {row["account_id"]: row["version"] for row in found}


async def _notify(connection: Any, works: Sequence[Work], versions: Mapping[UUID, int]) -> None:
    told = {
        (account, work.projector.name, item)
        for work in works
        for account, item in [*((account, root) for (_, root), (_, account) in work.plan.items()), *work.left]
    }
    if told:
        accounts, slices, items = zip(*told, strict=True)
        await connection.execute(
            "INSERT INTO ingest.notices (account_id, slice, item_id, version) "
            "SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])",
            accounts,
            slices,
            items,
            [versions[account] for account in accounts],
        )
