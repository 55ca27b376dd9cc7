"""Strict request bodies: `0` is no `false`, and `"1"` is no `1`.

The framework decodes a body as plain JSON and then coerces it. Here it is decoded into the handler's type directly, in
one pass, exactly as the document describes it.
"""

from typing import Any

from litestar import Request
from litestar.exceptions import InternalServerException

from app.errors import InvalidRequest, Violation
from app.http.answering.problems import TooSlow
from app.inputs import body
from app.intake.text import Unreadable
from app.intake.unambiguous import RepeatedKey, refuse_repeated_keys
from app.words.sentence import say

ADAPT_BODY = "adapt_body"
"""The key under which the scope of a request has what carries its body forward from a former version."""
NUL = b"\\u0000"
"""NUL as JSON escapes it; Postgres stores no text with one."""
LARGE_BYTES = 16_384
"""A larger body is decoded before it is searched for repeated names: for a million small objects of the wrong shape
that search takes a second."""


class StrictRequest(Request[Any, Any, Any]):
    """The request class of all handlers."""

    async def body(self) -> bytes:
        """Return the complete body.

        Raises:
            TooSlow: the client disconnected before the end. The answer reaches nobody.
        """
        try:
            return await super().body()
        except InternalServerException as error:
            raise TooSlow from error

    async def json(self) -> Any:
        """Decode the body into the type of the handler's `data`.

        Raises:
            InvalidRequest: `malformed_json`, or every violation, field by field.
        """
        field, content = self.route_handler.parsed_data_field, await self.body() or b"null"
        if NUL in content:
            raise InvalidRequest(say("problems.nul_in_body"))
        if adapt := self.scope.get(ADAPT_BODY):
            _refuse_repeated(content)  # carried forward, it would name nothing twice
            content = adapt(content)  # type: ignore[operator]
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
        problem = Violation(error.key[:100], "repeated_field", say("fields.twice"))
        raise InvalidRequest(say("problems.field_twice"), code="repeated_field", errors=[problem]) from error
    except Unreadable as error:
        raise InvalidRequest(say("problems.malformed_json"), code="malformed_json") from error
