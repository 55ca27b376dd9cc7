"""Load groups: their records and those they refer to, read once for all read models made of the same records.

Reads: mirror.records.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from app.db import Db
from app.events import Record
from app.projections.engine.groups import GroupPlan, accounts_of, root_id
from app.projections.projector import Group, Lookup, Object, Projector

WantedGroups = tuple[Projector, GroupPlan]
"""The groups of one read model."""
Named = Mapping[Object, Sequence[Record]]
"""Records by object and by the key under which others refer to them."""

_RECORDS = """
SELECT source, object, record_id, parent_id, owner_id, data, version, deleted, occurred_at, verified_at
FROM mirror.records WHERE NOT deleted
"""
_OF_OBJECTS = f"{_RECORDS} AND source = $1 AND object = ANY($2::text[])"
_BY_ID = f"{_OF_OBJECTS} AND record_id = ANY($3::text[])"
# `source || ''` is in no index, so a plan made while the table was small cannot scan all records of an object.
_BY_OWNER = f"{_RECORDS} AND source || '' = $1 AND object = ANY($2::text[]) AND owner_id = ANY($3::text[])"
_BY_PARENT = f"{_RECORDS} AND source || '' = $1 AND object = ANY($4::text[]) AND parent_id = ANY($3::text[])"
_IN_ORDER = "ORDER BY object, record_id"


async def load(connection: Db, wanted: Sequence[WantedGroups]) -> list[list[Group]]:
    """Load the groups of each read model with all their records. The caller holds their locks."""
    loaded: list[list[Group]] = [[] for _ in wanted]
    same_root: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, (projector, plan) in enumerate(wanted):
        if projector.scope == "record":
            same_root[projector.source, projector.root].append(number)
        else:
            loaded[number] = await _by_owner(connection, projector, plan)
    for numbers in same_root.values():
        family = [wanted[number] for number in numbers]
        for number, found in zip(numbers, await _by_root(connection, family), strict=True):
            loaded[number] = found
    return loaded


async def _by_owner(connection: Db, projector: Projector, plan: GroupPlan) -> list[Group]:
    objects, owners = list(projector.reads), [owner for owner, _ in plan.values()]
    if projector.scope == "global":
        rows = await connection.fetch(f"{_OF_OBJECTS} {_IN_ORDER}", projector.source, objects)
    else:
        rows = await connection.fetch(f"{_BY_OWNER} {_IN_ORDER}", projector.source, objects, owners)
    by_owner: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        by_owner["" if projector.scope == "global" else row["owner_id"]].append(Record(**dict(row)))
    return [
        Group(account_id=account, item_id="", records=by_owner[owner], context={}) for owner, account in plan.values()
    ]


async def _by_root(connection: Db, family: Sequence[WantedGroups]) -> list[list[Group]]:
    """Load the groups of read models with the same root at once. Each gets only the objects it declares to read."""
    source, root = family[0][0].source, family[0][0].root
    rows = await connection.fetch(
        f"{_BY_ID} UNION ALL {_BY_PARENT} {_IN_ORDER}",
        source,
        [root],
        list({item for _, plan in family for _, item in plan}),
        list({name for projector, _ in family for name in projector.reads} - {root}),
    )
    by_root: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        record = Record(**dict(row))
        by_root[root_id(root, record)].append(record)
    context, named = await _context(connection, family, by_root), await _named(connection, family, by_root)
    own = await _by_account(connection, family, named)
    return [_groups(projector, plan, by_root, context, named, own) for projector, plan in family]


def _groups(
    projector: Projector,
    plan: GroupPlan,
    by_root: Mapping[str, Sequence[Record]],
    context: Mapping[Object, Record],
    named: Named,
    own: Mapping[UUID, Named],
) -> list[Group]:
    refers_to = {lookup.target for lookup in projector.lookups}.union(projector.owner_context)
    seen = {key: record for key, record in context.items() if key[0] in refers_to}
    owned = {lookup.target for lookup in projector.lookups if lookup.own}
    shared = {key: records for key, records in named.items() if key[0] not in owned}
    return [
        Group(
            account_id=account,
            item_id=item,
            records=[record for record in by_root.get(item, ()) if record.object in projector.reads],
            context=seen,
            named={**shared, **own.get(account, {})} if owned else shared,
        )
        for (_, item), (_, account) in plan.items()
    ]


async def _context(
    connection: Db, family: Sequence[WantedGroups], by_root: Mapping[str, Sequence[Record]]
) -> dict[Object, Record]:
    """Load the records referred to by id, and the owner's records that rows depend on."""
    source = family[0][0].source
    lookups = [lookup for projector, _ in family for lookup in projector.lookups if not lookup.key]
    ids = {name for lookup in lookups for name in _names(lookup, by_root)}
    rows = []
    if ids:
        rows += await connection.fetch(_BY_ID, source, [lookup.target for lookup in lookups], list(ids))
    for projector, plan in family:
        if projector.owner_context and plan:
            owners = list({owner for owner, _ in plan.values()})
            rows += await connection.fetch(_BY_OWNER, source, list(projector.owner_context), owners)
    return {(row["object"], row["record_id"]): Record(**dict(row)) for row in rows}


async def _named(
    connection: Db, family: Sequence[WantedGroups], by_root: Mapping[str, Sequence[Record]]
) -> dict[Object, list[Record]]:
    """Load the records of another upstream that are referred to by their number there."""
    found: dict[Object, list[Record]] = defaultdict(list)
    lookups = {lookup for projector, _ in family for lookup in projector.lookups if lookup.key}
    for lookup in sorted(lookups, key=lambda each: (each.target, each.referrer)):
        if not (names := _names(lookup, by_root)):
            continue
        # The expression of the index: a number may be stored as 301, 301.0 or 0301.
        number = f"btrim(ltrim(split_part(data ->> '{lookup.key}', '.', 1), ' 0'))"
        where = f"AND object = '{lookup.target}' AND {number} = ANY($2::text[])"
        for row in await connection.fetch(
            f"{_RECORDS} AND source = $1 {where} {_IN_ORDER}", lookup.source, list(names)
        ):
            record = Record(**dict(row))
            found[lookup.target, lookup.name_of(record)].append(record)
    return found


async def _by_account(connection: Db, family: Sequence[WantedGroups], named: Named) -> Mapping[UUID, Named]:
    """Sort the records that belong to customers by the portal account of each; those of nobody are left out."""
    owned = {lookup.target for projector, _ in family for lookup in projector.lookups if lookup.own}
    found: dict[UUID, dict[Object, list[Record]]] = defaultdict(lambda: defaultdict(list))
    records = [(key, each, each.owner_id or "") for key, some in named.items() if key[0] in owned for each in some]
    for source in {each.source for _, each, _ in records}:
        accounts = await accounts_of(connection, source, [owner_id for _, _, owner_id in records])
        for key, each, owner_id in records:
            if each.source == source and owner_id in accounts:
                found[accounts[owner_id]][key].append(each)
    return found


def _names(lookup: Lookup, by_root: Mapping[str, Sequence[Record]]) -> set[str]:
    """Return the names that records of the lookup's kind refer to."""
    named = {
        record.data.get(lookup.field)
        for records in by_root.values()
        for record in records
        if record.object == lookup.referrer
    }
    return {name for name in named if name}
