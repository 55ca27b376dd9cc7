"""The HTTP client library, named here and nowhere else, so that replacing it is one line.

Callers set a total deadline (`asyncio.timeout`): the library bounds single reads and writes only.
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
