"""The shapes of an explanation: a read model's row, the mirrored records it is made of, and their received changes."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """A row as served. `as_of` is None in read models whose rows have none."""

    account_id: UUID
    item_id: str
    version: int | None
    as_of: datetime | None


class ReceivedChange(Struct, frozen=True, kw_only=True):
    """A change received for a record, and its outcome. Open while `settled_at` is None."""

    id: int
    """The id of the change."""
    origin: str
    kind: str
    version: int
    echo: bool
    """Whether the portal itself made the change."""
    received_at: datetime
    settled_at: datetime | None
    outcome: str | None
    attempts: int
    next_attempt_at: datetime


class Letter(Struct, frozen=True, kw_only=True):
    """A dead letter of a record, open while `resolution` is None. In full: `portal dead-letters show ID`."""

    id: int
    """The id of the dead letter."""
    entry_id: int
    parked_at: datetime
    resolution: str | None


class State(Struct, frozen=True, kw_only=True):
    """The mirrored state of a record, without its data."""

    parent_id: str | None
    """The upstream's id of the record it belongs to; null without one."""
    owner_id: str | None
    version: int
    occurred_at: datetime
    verified_at: datetime
    """When it last equalled its source."""
    deleted: bool
    """Whether it was deleted upstream."""


class Source(Struct, frozen=True, kw_only=True):
    """A record that contributes to the row, mirrored or not.

    Attributes:
        role: root, child, referred to, of the owner, member (of the owner's or the installation's group), or list (a
            whole-list read that found it).
        record: its mirrored state without its data; None when nothing is mirrored.
        entries: newest last; `earlier`: number of older ones.
    """

    role: str
    source: str
    object: str
    record_id: str
    record: State | None
    entries: list[ReceivedChange]
    earlier: int
    """The number of earlier changes that are not listed."""
    letters: list[Letter]
    """The dead letters of the record."""


class Explanation(Struct, frozen=True, kw_only=True):
    """The explanation of a read model's row.

    Attributes:
        generation: the generation that serves, with the projector version that feeds it; `projector_version` is the
            release's own.
        remarks: one sentence for each irregularity.
    """

    resource: str
    """The kind of row."""
    item_id: str
    owner_id: str | None
    account_id: UUID | None
    generation: int
    generation_version: int
    """The projector's version that filled the generation."""
    projector_version: int
    rows: list[Row]
    """The rows as served."""
    sources: list[Source]
    """The records that contribute."""
    remarks: list[str]
