"""One unit of work on the org: row changes that become visible to others, and to the event bus, together.

There is no await inside, so on one event loop no reader sees a transaction half done. `rollback` undoes everything;
`commit` appends the change events afterwards, all under one transaction key.
"""

import uuid
from typing import Any

from sandbox.salesforce.bus.changes import Touch, publish_changes
from sandbox.salesforce.org import places, rules
from sandbox.salesforce.org.org import INTEGRATION_USER, Org
from sandbox.salesforce.org.permissions import Permissions
from sandbox.salesforce.org.values import Row, accept, whole_seconds
from sandbox.salesforce.rest import intake
from sandbox.salesforce.rest.errors import SalesforceError, deleted, not_found
from sandbox.salesforce.schema.fields import SObject

TEXT_KINDS = ("string", "textarea", "email", "phone", "url", "picklist", "multipicklist")


class Transaction:
    """Created rows, updates and deletions, as one.

    Args:
        now_ms: the moment every row written is stamped with, epoch milliseconds.
        origin: the changeOrigin of the events.
        allowed: what the author may see and do; staff may do anything.
    """

    def __init__(
        self,
        org: Org,
        *,
        now_ms: int,
        origin: str = "",
        user_id: str = INTEGRATION_USER,
        allowed: Permissions | None = None,
    ) -> None:
        self.org = org
        self.now_ms = whole_seconds(now_ms)
        self.origin = origin
        self.user_id = user_id
        self.allowed = allowed or Permissions()
        self.key = str(uuid.uuid4())
        self.touches: list[Touch] = []

    def create(self, name: str, values: Row) -> str:
        """Create a row; its id."""
        sobject = self._object(name)
        self.allowed.check_write(name, "", values)
        clean = intake.clean(self.org, sobject, values, creating=True)
        row = {each.name: each.default for each in sobject.fields if each.default is not None} | clean
        intake.require(sobject, row)
        record_id = self.org.next_id(name)
        stamp = {"Id": record_id, "IsDeleted": False, "CreatedDate": self.now_ms, "CreatedById": self.user_id}
        row |= stamp | self._modified()
        if "OwnerId" in sobject.by_name:
            row.setdefault("OwnerId", self.user_id)
        intake.check_unique(self.org, sobject, row)
        places.settle(self.org, sobject, row, clean)
        if name in rules.BEFORE_CREATE:
            rules.BEFORE_CREATE[name](self, row)
        self._write(name, record_id, row)
        return record_id

    def update(self, name: str, record_id: str, values: Row) -> None:
        """Change fields of a row; null empties one."""
        sobject, old = self._object(name), self.must(name, record_id)
        self.allowed.check_write(name, record_id, values)
        clean = intake.clean(self.org, sobject, values, creating=False)
        new = old | clean
        intake.require(sobject, new)
        intake.check_unique(self.org, sobject, new)
        places.settle(self.org, sobject, new, clean)
        changed = {key for key, value in clean.items() if value != old.get(key)}
        if name in rules.BEFORE_UPDATE:
            rules.BEFORE_UPDATE[name](self, old, new, changed)
        self._write(name, record_id, new | self._modified())

    def upsert(self, name: str, key: str, value: str, values: Row, *, update_only: bool = False) -> tuple[str, bool]:
        """Create or update by an external id. Return the row's id and whether it is new.

        Raises:
            SalesforceError: INVALID_FIELD when the key is repeated in the body or is no external id.
        """
        sobject = self._object(name)
        each = intake.external_id(sobject, key)
        if each.name in values:
            message = f"The {each.name} field should not be specified in the sobject data."
            raise SalesforceError("INVALID_FIELD", message, [each.name])
        found = [row for row in self.org.find(name, each.name, value) if not row["IsDeleted"]]
        if found:
            self.update(name, found[0]["Id"], values)
            return found[0]["Id"], False
        if update_only:
            raise not_found()
        return self.create(name, values | {each.name: value}), True

    def delete(self, name: str, record_id: str) -> None:
        """Move a row and what it owns to the recycle bin."""
        row = self.must(name, record_id)
        self.allowed.check_write(name, record_id, {})
        if name in rules.BEFORE_DELETE:
            rules.BEFORE_DELETE[name](self, row)
        self._delete(name, row, with_id=record_id)

    def _delete(self, name: str, row: Row, *, with_id: str) -> None:
        sobject = self.org.objects[name]
        for relationship in sobject.cascades:
            child, field_name = sobject.children[relationship]
            for each in self.children(child, field_name, row["Id"]):
                self._delete(child, each, with_id=with_id)
        self._write(name, row["Id"], row | {"IsDeleted": True, "DeletedWith": with_id} | self._modified())

    def merge(self, name: str, master_id: str, loser_id: str, *, tell_children: bool) -> None:
        """Merge two rows: what belonged to the loser belongs to the master, and the loser is in the bin with its name.

        The vendor does not document whether the rows that change hands have change events of their own; `tell_children`
        decides.
        """
        self.must(name, master_id)
        loser = self.must(name, loser_id)
        for child, field_name in self.org.objects[name].children.values():
            for row in self.children(child, field_name, loser_id):
                moved = row | {field_name: master_id} | self._modified()
                before = self.org.put(child, row["Id"], moved)
                if tell_children:
                    self.touches.append(Touch(child, row["Id"], before))
        gone = {"IsDeleted": True, "DeletedWith": loser_id, "MasterRecordId": master_id}
        self._write(name, loser_id, loser | gone | self._modified())

    def undelete(self, name: str, record_id: str) -> None:
        """Bring a row back, with everything that was deleted together with it."""
        row = self.org.get(name, record_id)
        if row is None or not row["IsDeleted"]:
            raise SalesforceError("UNDELETE_FAILED", "Entity is not in the recycle bin", [])
        self._write(name, record_id, row | {"IsDeleted": False, "DeletedWith": None} | self._modified())
        for relationship in self.org.objects[name].cascades:
            child, field_name = self.org.objects[name].children[relationship]
            for each in self.org.find(child, field_name, record_id):
                if each["IsDeleted"] and each.get("DeletedWith") == row.get("DeletedWith"):
                    self.undelete(child, each["Id"])

    def live(self, name: str, record_id: Any) -> Row | None:
        """Return a row that exists and is not deleted, else None."""
        row = self.org.get(name, record_id) if record_id else None
        return row if row is not None and not row["IsDeleted"] else None

    def must(self, name: str, record_id: str) -> Row:
        """Return a row that is not deleted, or raise NOT_FOUND or ENTITY_IS_DELETED."""
        row = self.org.get(self._object(name).name, record_id)
        self.allowed.check_read(name, record_id)
        if row is None:
            raise not_found()
        if row["IsDeleted"]:
            raise deleted()
        return row

    def plant(self, name: str, record_id: str, values: Row) -> None:
        """Write texts as no form would let them pass: of any length and with any character.

        Other fields must hold what they can hold.
        """
        sobject, row = self._object(name), self.must(name, record_id)
        ready: Row = {}
        for key, value in values.items():
            each = sobject.by_name.get(key)
            if each is None:
                raise SalesforceError("INVALID_FIELD", f"No such column '{key}' on sobject of type {name}")
            ready[key] = value if isinstance(value, str) and each.kind in TEXT_KINDS else accept(each, value)
        self._write(name, record_id, row | ready | self._modified())

    def children(self, name: str, field_name: str, parent_id: str) -> list[Row]:
        """Return the rows under a parent that are not deleted."""
        return [row for row in self.org.find(name, field_name, parent_id) if not row["IsDeleted"]]

    def set_system(self, name: str, record_id: str, values: Row) -> None:
        """Write read-only fields of another row, as the org itself does for roll-ups."""
        row = self.must(name, record_id)
        self.touches.append(Touch(name, record_id, self.org.put(name, record_id, row | values | self._modified())))

    def mark(self) -> int:
        """Return a point to roll back to."""
        return len(self.touches)

    def rollback(self, mark: int = 0) -> None:
        """Undo every change since a point returned by `mark`."""
        while len(self.touches) > mark:
            touch = self.touches.pop()
            self.org.put(touch.name, touch.record_id, touch.before)

    def commit(self, *, publish: bool = True) -> None:
        """Make the changes final and publish their events. Seeding publishes none."""
        if not self.touches:
            return
        self.org.revision += 1
        if publish:
            publish_changes(self.org, self.touches, self)
        self.touches = []

    def _object(self, name: str) -> SObject:
        if name not in self.org.objects:
            raise not_found()
        return self.org.objects[name]

    def _modified(self) -> Row:
        return {"LastModifiedDate": self.now_ms, "LastModifiedById": self.user_id, "SystemModstamp": self.now_ms}

    def _write(self, name: str, record_id: str, row: Row) -> None:
        self.touches.append(Touch(name, record_id, self.org.put(name, record_id, row)))
        if name in rules.AFTER_WRITE:
            rules.AFTER_WRITE[name](self, row)
