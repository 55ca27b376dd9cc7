"""One request to a REST resource, by HTTP or as a part of a composite, and its answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.transaction import Transaction
from sandbox.salesforce.rest.errors import SalesforceError, not_found
from sandbox.salesforce.schema.fields import SObject


@dataclass(frozen=True)
class Call:
    """A request under `/services/data/v<version>/`; `parts` are the path's segments after that."""

    org: Org
    work: Transaction
    session: str
    """The access token."""

    version: str
    method: str
    parts: tuple[str, ...]
    params: Mapping[str, str]
    body: Any
    batch_size: int = 2_000

    @property
    def root(self) -> str:
        """The path that resources of this version lie under."""
        return f"/services/data/v{self.version}"

    def inner(self, method: str, parts: tuple[str, ...], params: Mapping[str, str], body: Any) -> "Call":
        """Return a subrequest in the same transaction."""
        return replace(self, method=method, parts=parts, params=params, body=body)

    def document(self) -> dict[str, Any]:
        """Return the body, which must be a JSON object."""
        if not isinstance(self.body, dict):
            raise SalesforceError("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has none.")
        return self.body

    def sobject(self, name: str) -> SObject:
        """Return an object by name in any case, or raise NOT_FOUND."""
        known = {each.lower(): sobject for each, sobject in self.org.objects.items()}.get(name.lower())
        if known is None:
            raise not_found()
        return known

    def allow(self, *methods: str) -> None:
        """METHOD_NOT_ALLOWED for any other method."""
        if self.method not in methods:
            message = f"HTTP Method '{self.method}' not allowed. Allowed are {','.join(methods)}"
            raise SalesforceError("METHOD_NOT_ALLOWED", message, status=405)


@dataclass(frozen=True)
class Reply:
    """An answer; a None body is an empty one, and one of bytes is a file's content as it is."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Return the body as JSON, empty for none."""
        if isinstance(self.body, bytes):
            return self.body
        return (
            b"" if self.body is None else json.dumps(self.body, ensure_ascii=False).encode("utf-8", "backslashreplace")
        )
