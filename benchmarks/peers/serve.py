"""`python -m benchmarks.peers.serve MODULE PORT`: a peer written in Python, on granian, which serves those best."""

import sys

from granian import Granian
from granian.constants import Interfaces

Granian(
    f"benchmarks.peers.{sys.argv[1]}:app",
    interface=Interfaces.ASGI,
    address="127.0.0.1",
    port=int(sys.argv[2]),
    log_enabled=False,
).serve()
