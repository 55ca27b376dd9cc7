"""The org: its rows, counters, sessions and event bus. Pure data, so that it can be pickled and copied.

Rows are replaced, never changed in place, and only through `put`, which keeps the indexes right; business code goes
through a `Transaction`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.salesforce.bus.avro import Schema, change_schema, event_schema
from sandbox.salesforce.bus.bus import Bus
from sandbox.salesforce.org.ids import PREFIXES, make_id
from sandbox.salesforce.org.index import Index
from sandbox.salesforce.org.permissions import Permissions
from sandbox.salesforce.org.values import Row
from sandbox.salesforce.rest.locators import Locators
from sandbox.salesforce.schema.fields import Field, SObject
from sandbox.salesforce.schema.objects import CAPTURED, CHANNELS, EVENTS, OBJECTS, entity_topic, event_topic

ORG_ID = make_id("00D", 1)
INTEGRATION_USER = make_id("005", 1)
STAFF_USER = make_id("005", 2)
USERNAME = "portal@example.com"


@dataclass
class ConnectedApp:
    """The portal as an OAuth client of the org. The private key stays with the portal."""

    client_id: str = "3MVG9sandboxPortalConsumerKey"
    client_secret: str = "5AND80X0000000000000000000000000"
    username: str = USERNAME
    public_key_pem: str = ""


@dataclass
class Session:
    """The user and the lifetime of one access token."""

    user_id: str
    expires_ms: int


@dataclass
class Quota:
    """API calls a day; `exhausted` refuses every further one."""

    limit: int = 100_000
    used: int = 0
    exhausted: bool = False


@dataclass
class Org:
    """One org. `revision` counts commits, so that a snapshot knows whether anything changed since the last one."""

    app: ConnectedApp = field(default_factory=ConnectedApp)
    objects: dict[str, SObject] = field(default_factory=lambda: dict(OBJECTS))
    tables: dict[str, dict[str, Row]] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    quota: Quota = field(default_factory=Quota)
    permissions: Permissions = field(default_factory=Permissions)
    revision: int = 0
    commit_number: int = 1_698_100_138_468_892_700
    places: bool = False
    """States and countries are picklists."""

    def __post_init__(self) -> None:
        self.tables = {name: {} for name in self.objects}
        self.indexes: dict[str, dict[str, Index]] = {
            name: {
                each.name: Index(exact=not each.external_id)
                for each in sobject.fields
                if each.kind == "reference" or each.external_id
            }
            for name, sobject in self.objects.items()
        }
        topics = [*CHANNELS, *(entity_topic(name) for name in CAPTURED), *(event_topic(name) for name in EVENTS)]
        self.bus = Bus(topics)
        self.schemas: dict[str, Schema] = {}
        for name in CAPTURED:
            self._register(name, change_schema(self.objects[name]))
        for name, fields in EVENTS.items():
            self._register(name, event_schema(name, fields))
        for number, name, username in ((1, "Portal", USERNAME), (2, "Staff", "staff@example.com")):
            user_id = make_id("005", number)
            user = {"Id": user_id, "Username": username, "FirstName": "Sandbox", "LastName": name, "IsActive": True}
            self.put("User", user_id, user | {"Name": f"Sandbox {name}", "Email": username, "IsDeleted": False})
        self.counters["User"] = 2
        self.locators = Locators()

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the query results that are still being read."""
        return {name: value for name, value in self.__dict__.items() if name != "locators"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"permissions": Permissions(), **state, "locators": Locators()})

    def _register(self, name: str, schema: Schema) -> None:
        self.schemas[name] = schema
        self.bus.schemas[schema.id] = schema

    def replace_field(self, name: str, other: Field) -> None:
        """Change a field, as an administrator does."""
        sobject = self.objects[name]
        fields = tuple(other if each.name == other.name else each for each in sobject.fields)
        self.objects[name] = replace(sobject, fields=fields)
        if name in CAPTURED:
            self._register(name, change_schema(self.objects[name]))
        self.revision += 1

    def keep_custom_fields(self, name: str, wanted: Collection[str]) -> None:
        """Remove other custom fields, as if they had never been installed."""
        sobject = self.objects[name]
        kept = tuple(each for each in sobject.fields if not each.custom or each.name in wanted)
        self.objects[name] = replace(sobject, fields=kept)
        if name in CAPTURED:
            self._register(name, change_schema(self.objects[name]))
        self.revision += 1

    def add_field(self, name: str, extra: Field) -> Schema:
        """Add a field, as an administrator does. New events carry a new schema; events on the bus keep theirs."""
        self.extend(name, extra)
        return self.schemas[name]

    def extend(self, name: str, extra: Field) -> None:
        """Add a field to an object that need not be captured."""
        self.objects[name] = self.objects[name].extended(extra)
        if name in CAPTURED:
            self._register(name, change_schema(self.objects[name]))
        self.revision += 1

    def catch_up(self) -> None:
        """Add the fields that a newer release of the stand-in knows and this org's data does not."""
        for name, current in OBJECTS.items():
            for extra in current.fields:
                if extra.name not in self.objects[name].by_name:
                    self.objects[name] = self.objects[name].extended(extra)
                    if name in CAPTURED:
                        self._register(name, change_schema(self.objects[name]))
                    self.revision += 1

    def take_over(self, old: "Org") -> None:
        """Stand in for an org from now on, as a reset does with a copy of the seed.

        Logins stay valid. Every replay id given out so far is unknown here, and the streams that are open end.
        """
        self.app, self.sessions, self.quota = old.app, old.sessions, old.quota
        self.revision = old.revision + 1
        self.bus.forget()
        old.bus.abort_streams("service.unavailable")

    def next_number(self, series: str) -> int:
        """Return the next number of an id or autonumber series."""
        self.counters[series] = self.counters.get(series, 0) + 1
        return self.counters[series]

    def next_id(self, name: str) -> str:
        """Return a fresh id that no seeded row has."""
        while (made := make_id(PREFIXES[name], self.next_number(name))) in self.tables[name]:
            continue
        return made

    def get(self, name: str, record_id: str) -> Row | None:
        """Return a row, deleted or not."""
        return self.tables[name].get(record_id)

    def put(self, name: str, record_id: str, row: Row | None) -> Row | None:
        """Replace a row, or remove it for good with None; returns what was there."""
        before = self.tables[name].get(record_id)
        for field_name, index in self.indexes[name].items():
            old, new = before and before.get(field_name), row and row.get(field_name)
            if old != new:
                index.move(record_id, old, new)
        if row is None:
            self.tables[name].pop(record_id, None)
        else:
            self.tables[name][record_id] = row
        return before

    def find(self, name: str, field_name: str, value: Any) -> list[Row]:
        """Return the rows with a value in a reference or external id field, deleted ones included."""
        table = self.tables[name]
        return [table[record_id] for record_id in self.indexes[name][field_name].find(value) if record_id in table]

    def object_of(self, record_id: str) -> str | None:
        """Return the object whose key prefix an id has."""
        names = (name for name, prefix in PREFIXES.items() if record_id.startswith(prefix) and name in self.objects)
        return next(names, None)
