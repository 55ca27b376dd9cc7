"""Request bodies as they are: `0` is no `false`, `"1"` no `1`.

The framework reads a body as plain JSON first and then bends it into shape; decoded straight into the type it names,
it is judged by the document, in one pass.
"""

from typing import Any

from litestar import Request
from litestar.exceptions import InternalServerException

from app.errors import InvalidRequest
from app.http.problems import TooSlow
from app.inputs import body

NUL = b"\\u0000"
"""As JSON writes it; Postgres keeps no text with one."""


class StrictRequest(Request[Any, Any, Any]):
    """The request that handlers get."""

    async def body(self) -> bytes:
        """All of the body.

        Raises:
            TooSlow: the client went, or was cut off, before its end. Nobody hears it.
        """
        try:
            return await super().body()
        except InternalServerException as error:
            raise TooSlow from error

    async def json(self) -> Any:
        """The body as the handler's own type.

        Raises:
            InvalidRequest: `malformed_json`, or everything that is wrong with it, field by field.
        """
        field, content = self.route_handler.parsed_data_field, await self.body() or b"null"
        if NUL in content:
            raise InvalidRequest("The body contains a NUL character, which no text here has.")
        return body.read(field.annotation if field else Any, content)
