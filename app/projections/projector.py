"""What a projector is: which mirrored records a slice is made of, whose rows they touch, and a pure function to rows.

A *group* is the unit of recomputation. Its scope says what belongs together:

    record  one root record with its children (`parent_id`), e.g. an order with its items
    owner   all records of the slice's objects that one upstream owner has, e.g. a client's payment methods
    global  all records of the slice's objects, e.g. the catalog
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
    """A ready answer under a name, e.g. `catalog/sim`."""

    name: str
    body: bytes


class Projected(Struct, frozen=True):
    """What a group becomes. A row of the group that is not named here is removed."""

    rows: Sequence[RowValues] = ()
    documents: Sequence[Document] = ()


class Group(Struct, frozen=True):
    """Everything a projector may look at.

    Attributes:
        item_id: the root record's id in scope record; empty otherwise.
        records: root and children, or all records of owner or installation; deleted ones are left out.
        context: records the slice only refers to (`owner_context`, `lookups`), by object and record id: WHMCS counts
            each object from one.
        named: records of another upstream that the slice refers to by a key of theirs, by object and key. More than
            one may bear a key.
    """

    account_id: UUID
    item_id: str
    records: Sequence[Record]
    context: Mapping[Object, Record]
    named: Mapping[Object, Sequence[Record]] = {}

    def of(self, object_name: str) -> list[Record]:
        """The group's records of one object."""
        return [record for record in self.records if record.object == object_name]


Project = Callable[[Group], Projected]


class Lookup(Struct, frozen=True):
    """A record that others refer to: `field` of `referrer` names a record of `target`, by its id.

    With a `key` it is a record of another `source`, named by the number in this field of its own. The field must be in
    `app.events.KEYS`, so that who referred to it before is told as well when the number changes.
    """

    target: str
    referrer: str
    field: str
    source: str = ""
    key: str = ""

    def name_of(self, record: Record) -> str:
        """What others call a record of the target; empty when nobody can."""
        if not self.key:
            return record.record_id
        number = parse.whole_number(record.data.get(self.key))
        return "" if number is None else str(number)


class Projector(Struct, frozen=True):
    """One read model.

    Attributes:
        name: cursor, log field and freshness resource: never rename.
        version: raise it when `project` changes its output: the slice is then rebuilt beside the serving generation.
            Keep the old function as `previous` in the slice's module while its generation is to stay fed.
        source: the upstream whose records it reads.
        root: the object whose id is the row's item id (scope record).
        reads: every object whose change recomputes the group it belongs to.
        owner_context: objects of the same owner that the rows draw on; their change recomputes all the owner's groups.
        lookups: objects referred to by id; their change recomputes every group that refers to them.
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
