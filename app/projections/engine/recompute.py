"""Recompute read models from the mirror, inside the transaction that changed it.

For every projector: find the groups that the changed records affect and their accounts, lock those accounts in order,
load each group whole, compute, write to every generation. Computing is pure, so any order or repetition of the same
changes yields the same rows. Transactions that affect one group or one account are serialised: first by a lock on the
group and its owner, taken before anything is read, because a child whose parent is not committed yet has no account;
then by the account's version row.

Reads: mirror.records, portal.id_mappings, read_model.generations. Writes: read_model.*, generations.*, ingest.notices.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from app.db import Db
from app.events import Record
from app.ingest.versions import account_versions, notices
from app.projections.engine import generations, groups, load_groups, moved_items, write_rows
from app.projections.projector import Projector


class Recomputation(Struct):
    """The work of one projector in a commit: groups to compute, and items that moved away from an account."""

    projector: Projector
    plan: groups.GroupPlan
    moved: set[moved_items.Item]


ChangedKeys = dict[str, set[write_rows.RowKey]]
"""Read model → groups whose served content changed."""


async def project(
    projectors: Sequence[Projector],
    connection: Db,
    changed: Sequence[Record],
    verified: Sequence[Record],
    waiting: Sequence[UUID] = (),
) -> None:
    """Bring every generation of every read model up to date with these records.

    `changed` contains a record twice, in its former and present state, when it moved to another owner or parent.
    `verified` records did not change: only the `as_of` of their rows and documents is updated, without notices.
    The accounts in `waiting` are locked with the others: the caller says in this transaction how their commands ended.
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
    accounts = {account for work in seen for account in _accounts(work)} | touched | set(waiting)
    if not accounts:
        return
    held = await account_versions.hold(connection, accounts, touched)
    changed_groups = await _write(connection, targets, _merged(works, seen), held)
    await _notify(connection, works, held, changed_groups)


async def recompute(
    connection: Db, projectors: Sequence[Projector], projector: Projector, keys: Sequence[groups.GroupKey]
) -> None:
    """Recompute these groups of one read model in every generation, as if all their records had changed.

    Raises:
        Moved: one of them moved to another account before that was locked; try again.
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
    """Load, compute and write each read model; return the changed groups. One is computed while another is written."""
    pending, changed = list(works), ChangedKeys()
    loaded = await load_groups.load(connection, [(work.projector, work.plan) for work in pending])
    writing = asyncio.ensure_future(asyncio.sleep(0))
    try:
        for work, found in zip(pending, loaded, strict=True):
            computed = write_rows.compute(work.projector, found, held)
            await writing
            writing = asyncio.ensure_future(_write_one(connection, targets, work, computed, changed))
            await asyncio.sleep(0)  # send the statement before the next read model is computed
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
            removed = await moved_items.remove(connection, work.projector, target.generation, work.moved)
            found = await write_rows.write(connection, work.projector, target.generation, computed)
            if target.serving:
                changed[work.projector.name] = found | removed


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
    """Plan the groups that contain verified records. Groups that only refer to them are unaffected."""
    keys = await groups.touched(connection, projector, records, referred_to=False)
    return await owners.plan(projector, keys) if keys else {}


def _accounts(work: Recomputation) -> set[UUID]:
    return {account for _, account in work.plan.values()} | {account for account, _ in work.moved}


def _merged(works: Sequence[Recomputation], seen: Sequence[Recomputation]) -> Iterable[Recomputation]:
    """Merge changed and verified groups of each projector, to load and write them together."""
    verified = {(work.projector.name, work.projector.version): work.plan for work in seen}
    for work in works:
        plan = {**verified.get((work.projector.name, work.projector.version), {}), **work.plan}
        if plan or work.moved:
            yield Recomputation(work.projector, plan, work.moved)


async def _notify(
    connection: Db, works: Sequence[Recomputation], held: Mapping[UUID, int], changed: ChangedKeys
) -> None:
    """Insert a notice for everything whose content changed. An account whose version was raised without a change gets
    one that names no slice, because a resuming stream takes a gap in the versions for lost notices."""
    named, raised = set(), set()
    for work in works:
        touched = {(account, root) for (_, root), (_, account) in work.plan.items()} | work.moved
        name = work.projector.name
        named |= {(account, name, item) for account, item in touched & changed.get(name, set())}
        raised |= {account for account, _ in touched}
    named |= {(account, notices.NOTHING, "") for account in raised - {account for account, _, _ in named}}
    await notices.add(connection, named, held)
