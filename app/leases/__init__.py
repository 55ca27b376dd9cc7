"""Advisory locks whose holder must prove that it is alive.

An advisory lock of Postgres lives as long as its session. A holder that is killed loses it at once; one that is
stopped, or whose host vanished, keeps its socket. So the session of a holder may be idle only for `FROZEN_SECONDS`:
then Postgres ends it, the lock is free, and a holder that wakes up finds its connection dead and cannot write anything.
A holder that waits for something else proves meanwhile that it is alive.

Postgres's own time-outs know two kinds of idleness. A session whose client was stopped in the middle of the protocol (a
statement parsed and not run, an answer not taken) is neither: it counts as active forever. Other processes end such
holders (`end_frozen`).

Locks are tried and never waited for: a process that finds one taken goes on to something else.
"""

from app.leases.frozen import end_frozen
from app.leases.held import Held, Lost, holding, take
from app.leases.lock import HOLDER, Lock, bounds
from app.leases.work import CONNECTION_SECONDS, alone, named, those_free, while_held, work_off

__all__ = [
    "CONNECTION_SECONDS",
    "HOLDER",
    "Held",
    "Lock",
    "Lost",
    "alone",
    "bounds",
    "end_frozen",
    "holding",
    "named",
    "take",
    "those_free",
    "while_held",
    "work_off",
]
