"""The version of every request to the API: chosen by its header, refused if it is not served, named by every answer.

Outside the route, so that every problem names its version too; inside CORS, so that scripts can read a refusal.
"""

from collections.abc import Mapping

from app.http.middleware.deadlines import refuse
from app.http.middleware.request_context import Application, Message, Receive, Scope, Send
from app.http.policies.ending import HeaderPairs, ending_headers
from app.http.versions import usage
from app.http.versions.contract import HEADER, Contract, ServedVersion
from app.http.versions.endings import EndingOperation
from app.http.versions.usage import VersionUse

API = "/api/"
SERVED = "served_version"
"""The key under which the scope of a request has its version."""
_NAME = HEADER.lower().encode()


class Negotiation:
    """Chooses versions. `endings` are the operations with an announced end, by method and template."""

    def __init__(
        self, application: Application, contract: Contract, endings: Mapping[tuple[str, str], EndingOperation]
    ) -> None:
        self._application, self._contract, self._endings = application, contract, endings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the version that the request names; other paths than the API's have none."""
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._application(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == _NAME]
        header = given[0] if len(given) == 1 else None  # one that is repeated is refused further in
        served = self._contract.asked(header)
        scope[SERVED] = shown = served or self._contract.default

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers(scope, shown)]
                self._count(scope, served, header)
            await send(message)

        if served is None and header is not None:
            await refuse(scope, with_headers, self._contract.refusal(header))
        else:
            await self._application(scope, receive, with_headers)

    def _headers(self, scope: Scope, shown: ServedVersion) -> HeaderPairs:
        ending = self._ending(scope)
        if ending is None:
            return shown.headers
        return [shown.headers[0], *ending_headers([shown.version.ending, ending.ending])]

    def _count(self, scope: Scope, served: ServedVersion | None, header: bytes | None) -> None:
        ending = self._ending(scope)
        version = served.name if served else usage.REFUSED
        usage.count(VersionUse(version, usage.chosen(header), ending.name if ending else ""))

    def _ending(self, scope: Scope) -> EndingOperation | None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        return self._endings.get((method, scope.get("path_template", "")))
