"""Projectors: the mirrored records that make up a read model, the rows they affect, and a pure function to rows.

A *group* is the unit of recomputation. The projector's scope defines its extent:

    record  one root record with its children (`parent_id`), e.g. an order with its items
    owner   all records of the projector's objects of one upstream owner, e.g. a client's payment methods
    global  all records of the projector's objects, e.g. the catalog
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from app.events import Record
from app.intake import parse
from app.readmodels.table import Table

Object = tuple[str, str]
"""(object, record id) of one upstream."""

RowValues = Mapping[str, Any]


class Document(Struct, frozen=True):
    """A prepared answer with a name, e.g. `catalog/sim`."""

    name: str
    body: bytes


class Projected(Struct, frozen=True):
    """The result of projecting a group. A row of the group that is missing here is deleted."""

    rows: Sequence[RowValues] = ()
    documents: Sequence[Document] = ()


class Group(Struct, frozen=True):
    """The input of a projector.

    Attributes:
        item_id: the root record's id in scope record; empty otherwise.
        records: root and children, or all records of owner or installation, without deleted ones.
        context: records that are only referred to (`owner_context`, `lookups`), by object and record id, because WHMCS
            numbers each object from one.
        named: records of another upstream that are referred to by a key of theirs, by object and key. Several records
            may have the same key.
    """

    account_id: UUID
    item_id: str
    records: Sequence[Record]
    context: Mapping[Object, Record]
    named: Mapping[Object, Sequence[Record]] = {}

    def of(self, object_name: str) -> list[Record]:
        """Return the group's records of one object."""
        return [record for record in self.records if record.object == object_name]


Project = Callable[[Group], Projected]


class Lookup(Struct, frozen=True):
    """A reference between records: `field` of `referrer` holds the id of a record of `target`.

    With a `key` the target belongs to another `source` and is referred to by the number in its own field `key`. The
    field must be in `app.events.KEYS`, so that former referrers are recomputed as well when the number changes. `own`
    targets belong to customers: a group is given those of its own account only, whatever number somebody typed.
    """

    target: str
    referrer: str
    field: str
    source: str = ""
    key: str = ""
    own: bool = False

    def name_of(self, record: Record) -> str:
        """Return the name by which others refer to a target record; empty when it has none."""
        if not self.key:
            return record.record_id
        number = parse.whole_number(record.data.get(self.key))
        return "" if number is None else str(number)


class Projector(Struct, frozen=True):
    """One read model.

    Attributes:
        name: cursor, log field and freshness resource: never rename.
        version: raise it when `project` changes its output: a new generation is then built while the old one serves.
            Keep the old function as `previous` in the module as long as the old generation must be fed.
        source: the upstream whose records it reads.
        root: the object whose id is the row's item id (scope record).
        reads: every object whose change recomputes the group it belongs to.
        owner_context: objects of the same owner that the rows depend on; a change recomputes all the owner's groups.
        lookups: objects referred to; a change recomputes every group that refers to them.
        documents: whether `project` yields documents.
    """

    name: str
    version: int
    source: str
    scope: Literal["record", "owner", "global"]
    reads: tuple[str, ...]
    table: Table
    project: Project
    root: str = ""
    owner_context: tuple[str, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    documents: bool = False
