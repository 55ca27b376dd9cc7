"""The numbers of the advisory locks in Postgres. They are shared with running processes of other releases, so none
changes.

Locks of names (`hashtextextended`) are numbered by Postgres: `app/commands/execution/locks.py` and
`app/projections/engine/groups.py`.
"""

from enum import IntEnum


class LockSpace(IntEnum):
    """The first number of a lock. Each kind of work has one of its own; a shard or a name gives the second number."""

    DRAIN = 0x1B0C
    """One shard of the inbox being applied."""
    REFETCH = 0x1B0D
    """One shard of refetch hints being read."""
    LEADER = 0x1B0E
    """The listener that leads; there is no second number."""
    REBUILD = 0x1B0F
    """One read model being rebuilt."""
    CHORE = 0x1B10
    """One chore of the workers."""
    QUEUE = 0x1B11
    """The number of commands that wait for upstreams; there is no second number."""
