"""Recompute read models from the mirror, inside the transaction that changed it.

For every projector: which groups do the changed records touch, whose accounts are they, lock those accounts in order,
load each group whole, compute, write to every generation. Computing is pure, so any order or repetition of the same
changes ends in the same rows. Two shards that touch one group or one account take turns, and the later one sees what
the earlier one wrote: first by a lock on the group and its owner, taken before anything is looked up, because a child
whose parent is not committed yet knows no account; then by the account's version row.

Reads: mirror.records, portal.id_mappings, read_model.generations. Writes: read_model.*, generations.*, ingest.notices.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from app.db import Db
from app.events import Record
from app.projections.engine import account_versions, generations, groups, load_groups, moved_items, write_rows
from app.projections.projector import Projector

NOTHING = ""
"""The slice of a notice that only keeps an account's versions without a gap."""


class Recomputation(Struct):
    """What a commit means for one projector: groups to compute, and items that left their account."""

    projector: Projector
    plan: groups.GroupPlan
    left: set[moved_items.Item]


ChangedKeys = dict[str, set[write_rows.RowKey]]
"""Slice → the groups that say something else than before to those who read the slice."""


async def project(
    projectors: Sequence[Projector], connection: Db, changed: Sequence[Record], verified: Sequence[Record]
) -> None:
    """Bring every generation of every read model up to date with these records.

    `changed` may name a record twice, as it was and as it is, when it went from one owner or parent to another.
    `verified` records did not change: their rows and documents learn that they are true as of now, and nobody is
    notified.
    """
    await groups.lock(connection, projectors, [*changed, *verified])
    targets = await generations.live(connection, projectors)
    feeding = {(each.projector.name, each.projector.version): each.projector for each in targets}.values()
    owners = groups.Owners(connection)
    works = [await _work(connection, owners, each, changed) for each in feeding]
    seen = (
        [Recomputation(each, await _seen(connection, owners, each, verified), set()) for each in feeding]
        if verified
        else []
    )
    touched = {account for work in works for account in _accounts(work)}
    accounts = {account for work in seen for account in _accounts(work)} | touched
    if not accounts:
        return
    held = await account_versions.hold(connection, accounts, touched)
    changed_groups = await _write(connection, targets, _merged(works, seen), held)
    await _notify(connection, works, held, changed_groups)


async def recompute(
    connection: Db, projectors: Sequence[Projector], projector: Projector, keys: Sequence[groups.GroupKey]
) -> None:
    """Compute these groups of one slice again, in every generation, as if all their records had changed.

    Raises:
        Moved: one of them went to another account in the instant before that was held; try again.
    """
    await groups.lock(connection, projectors, [])
    targets = await generations.live(connection, projectors)
    feeding = {each.projector.version: each.projector for each in targets if each.projector.name == projector.name}
    plan = await groups.plan(connection, projector, keys)
    accounts = {account for _, account in plan.values()}
    held = await account_versions.hold(connection, accounts, accounts)
    if await groups.plan(connection, projector, keys) != plan:
        raise groups.Moved
    works = [Recomputation(each, plan, set()) for each in feeding.values()]
    changed = await _write(connection, targets, works, held)
    await _notify(connection, works, held, changed)


async def _write(
    connection: Db, targets: Sequence[generations.Target], works: Iterable[Recomputation], held: Mapping[UUID, int]
) -> ChangedKeys:
    """Load, compute and write each slice; returns what is news. While the database writes one, the next is computed."""
    pending, changed = list(works), ChangedKeys()
    loaded = await load_groups.load(connection, [(work.projector, work.plan) for work in pending])
    writing = asyncio.ensure_future(asyncio.sleep(0))
    try:
        for work, found in zip(pending, loaded, strict=True):
            computed = write_rows.compute(work.projector, found, held)
            await writing
            writing = asyncio.ensure_future(_write_one(connection, targets, work, computed, changed))
            await asyncio.sleep(0)  # it is on its way to the database before the next one is computed
    finally:
        await writing
    return changed


async def _write_one(
    connection: Db,
    targets: Sequence[generations.Target],
    work: Recomputation,
    computed: write_rows.Computed,
    changed: ChangedKeys,
) -> None:
    for target in targets:
        if target.projector is work.projector:
            left = await moved_items.remove(connection, work.projector, target.generation, work.left)
            found = await write_rows.write(connection, work.projector, target.generation, computed)
            if target.serving:
                changed[work.projector.name] = found | left


async def _work(
    connection: Db, owners: groups.Owners, projector: Projector, changed: Sequence[Record]
) -> Recomputation:
    plan = await _plan(connection, owners, projector, changed)
    return Recomputation(projector, plan, await moved_items.find(connection, projector, changed, plan))


async def _plan(
    connection: Db, owners: groups.Owners, projector: Projector, records: Sequence[Record]
) -> groups.GroupPlan:
    keys = await groups.touched(connection, projector, records)
    return await owners.plan(projector, keys) if keys else {}


async def _seen(
    connection: Db, owners: groups.Owners, projector: Projector, records: Sequence[Record]
) -> groups.GroupPlan:
    """Only the groups that verified records are part of: to who refers to them nothing happened."""
    keys = await groups.touched(connection, projector, records, referred_to=False)
    return await owners.plan(projector, keys) if keys else {}


def _accounts(work: Recomputation) -> set[UUID]:
    return {account for _, account in work.plan.values()} | {account for account, _ in work.left}


def _merged(works: Sequence[Recomputation], seen: Sequence[Recomputation]) -> Iterable[Recomputation]:
    """Changed and merely verified groups of one projector, to be loaded and written together."""
    verified = {(work.projector.name, work.projector.version): work.plan for work in seen}
    for work in works:
        plan = {**verified.get((work.projector.name, work.projector.version), {}), **work.plan}
        if plan or work.left:
            yield Recomputation(work.projector, plan, work.left)


async def _notify(
    connection: Db, works: Sequence[Recomputation], held: Mapping[UUID, int], changed: ChangedKeys
) -> None:
    """Leave a notice of everything that reads differently. An account whose version was raised for nothing has one that
    names no slice, because who resumes behind a version takes a gap for news that are lost."""
    told, raised = set(), set()
    for work in works:
        touched = {(account, root) for (_, root), (_, account) in work.plan.items()} | work.left
        name = work.projector.name
        told |= {(account, name, item) for account, item in touched & changed.get(name, set())}
        raised |= {account for account, _ in touched}
    told |= {(account, NOTHING, "") for account in raised - {account for account, _, _ in told}}
    if told:
        accounts, slices, items = zip(*sorted(told), strict=True)
        await connection.execute(
            "INSERT INTO ingest.notices (account_id, slice, item_id, version) "
            "SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])",
            accounts,
            slices,
            items,
            [held[account] for account in accounts],
        )
