"""The library that speaks HTTP to others for us, named here and nowhere else: its successor is one line.

Whoever calls out sets a total deadline (`asyncio.timeout`): the library bounds single reads and writes only.
"""

from httpx import (
    AsyncClient,
    Client,
    ConnectError,
    ConnectTimeout,
    DecodingError,
    HTTPError,
    Limits,
    PoolTimeout,
    Request,
    Response,
    Timeout,
    TimeoutException,
    TransportError,
    UnsupportedProtocol,
)

__all__ = [
    "AsyncClient",
    "Client",
    "ConnectError",
    "ConnectTimeout",
    "DecodingError",
    "HTTPError",
    "Limits",
    "PoolTimeout",
    "Request",
    "Response",
    "Timeout",
    "TimeoutException",
    "TransportError",
    "UnsupportedProtocol",
]
