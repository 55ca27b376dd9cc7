"""The same events projected with the `eventsourcing` library: its Postgres recorder, its projection runner, and a view
that upserts the row, the timeline's entry and the tracking record in one transaction, as its documentation shows."""

import time
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import get_topic
from psycopg.sql import SQL

from benchmarks.harness import setup
from benchmarks.projection import DOCUMENT, ENTRY, SUMMARY

UPSERT = """
INSERT INTO bench.library_rows (item_id, status, total, version, summary, document) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (item_id) DO UPDATE SET status = excluded.status, total = excluded.total, version = excluded.version,
    summary = excluded.summary, document = excluded.document
"""
MOMENT = """
INSERT INTO bench.library_moments (entry_id, item_id, kind, version, document) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (entry_id) DO UPDATE SET kind = excluded.kind, version = excluded.version, document = excluded.document
"""


class Record(Aggregate):
    """An upstream record with its changes."""

    @event("Began")
    def __init__(self, record_id: str, data: dict[str, Any]) -> None:
        self.record_id, self.data = record_id, data

    @event("Changed")
    def change(self, record_id: str, data: dict[str, Any]) -> None:
        """Change the record."""
        self.data = {**self.data, **data}

    @staticmethod
    def create_id(record_id: str, data: dict[str, Any]) -> UUID:
        """One aggregate a record."""
        return uuid5(NAMESPACE_URL, record_id)


class Records(Application[UUID]):
    """The event store."""


class RowsView(PostgresTrackingRecorder):
    """The read model."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS bench.library_rows (item_id text PRIMARY KEY, status text, total numeric, "
                "version bigint, summary bytea, document bytea)"
            )
        )
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS bench.library_moments (entry_id text PRIMARY KEY, item_id text, kind text, "
                "version bigint, document bytea)"
            )
        )

    def upsert(self, record_id: str, status: str, tracking: Tracking) -> None:
        """Write the row, its timeline and the position of the projection in one transaction. Items have no timeline."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(UPSERT, (record_id, status, 3680, tracking.notification_id, SUMMARY, DOCUMENT))
            if not record_id.startswith("OrderItem:"):
                entry_id = f"{record_id}:{status}"
                cursor.execute(MOMENT, (entry_id, record_id, status, tracking.notification_id, ENTRY))


class Rows(Projection[RowsView]):
    """Events to rows."""

    topics = (get_topic(Record.Began), get_topic(Record.Changed))  # type: ignore[attr-defined]

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event, one row."""
        self.view.upsert(domain_event.record_id, str(domain_event.data.get("Status", "x")), tracking)


def rates(url: str, rounds: int, count: int) -> list[float]:
    """Events a second of each round."""
    import psycopg

    environment = _environment(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
        _drop(connection, "%")
        _store(environment, count)
        found = []
        for _ in range(rounds):
            _drop(connection, "library_%")
            _drop(connection, "%tracking%")
            found.append(count / _project(environment, count))
    return found


def _drop(connection: Any, like: str) -> None:
    """Drop the library's own tables; `bench.rows` belongs to the other benchmark."""
    found = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'bench' AND tablename LIKE %s AND tablename <> 'rows'",
        [like],
    )
    for (name,) in found.fetchall():
        connection.execute(f'DROP TABLE bench."{name}"')


def _store(environment: dict[str, str], count: int) -> None:
    records = Records(env=environment)
    known: dict[str, Record] = {}
    for change in setup.events(count):
        key = f"{change.object}:{change.record_id}"
        if key in known:
            known[key].change(record_id=key, data=change.data)
        else:
            known[key] = Record(record_id=key, data=change.data)
        records.save(known[key])
    records.close()


def _project(environment: dict[str, str], count: int) -> float:
    started = time.perf_counter()
    with ProjectionRunner(
        application_class=Records, projection_class=Rows, view_class=RowsView, env=environment
    ) as runner:
        runner.projection.view.wait("Records", count, timeout=600)
        return time.perf_counter() - started


def _environment(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.lstrip("/"),
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
        "POSTGRES_SCHEMA": "bench",
    }
