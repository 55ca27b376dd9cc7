"""Request bodies as they are: `0` is no `false`, `"1"` no `1`.

The framework reads a body as plain JSON first and then bends it into shape; decoded straight into the type it names,
it is judged by the document, in one pass.
"""

from typing import Any

from litestar import Request
from litestar.exceptions import InternalServerException

from app.errors import InvalidRequest, Violation
from app.http.answering.problems import TooSlow
from app.inputs import body
from app.intake.text import Unreadable
from app.intake.unambiguous import RepeatedKey, refuse_repeated_keys

NUL = b"\\u0000"
"""As JSON writes it; Postgres keeps no text with one."""
LARGE_BYTES = 16_384
"""A body of more is decoded before it is looked through for repeated names, which for a million small objects of no
shape of ours takes a second."""


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
        return _read(field.annotation if field else Any, content)


def _read(kind: Any, content: bytes) -> Any:
    if len(content) > LARGE_BYTES:
        value = body.read(kind, content)
        _refuse_repeated(content)
        return value
    _refuse_repeated(content)
    return body.read(kind, content)


def _refuse_repeated(content: bytes) -> None:
    try:
        refuse_repeated_keys(content)
    except RepeatedKey as error:
        problem = Violation(error.key[:100], "repeated_field", "This field is named twice.")
        raise InvalidRequest("The body names a field twice.", code="repeated_field", errors=[problem]) from error
    except Unreadable as error:
        raise InvalidRequest("The body is not valid JSON.", code="malformed_json") from error
