"""Avro schemas by id. An id never changes its schema, so each is fetched once."""

import json
from collections.abc import Awaitable, Callable, Mapping
from io import BytesIO
from typing import Any

import fastavro
from msgspec import Struct

from app.errors import UpstreamMalformed
from app.integrations.salesforce.faults import SALESFORCE

SCHEMA = "schema"


class ParsedSchema(Struct, frozen=True):
    """A schema to decode with, and the same with every named type expanded, to look fields up in."""

    parsed: Any
    resolved: Mapping[str, Any]

    def decode(self, payload: bytes) -> dict[str, Any]:
        """Decode raw Avro binary without a header by the writer's schema."""
        event: Any = fastavro.schemaless_reader(BytesIO(payload), self.parsed, None, handle_unicode_errors="replace")
        return dict(event)


class Schemas:
    """A cache over `fetch(schema_id) -> schema JSON`."""

    def __init__(self, fetch: Callable[[str], Awaitable[str]]) -> None:
        self._fetch = fetch
        self._known: dict[str, ParsedSchema] = {}

    async def get(self, schema_id: str) -> ParsedSchema:
        """Return the schema with this id.

        Raises:
            UpstreamMalformed: `fetch` did not return an Avro schema; and whatever `fetch` raises.
        """
        if schema_id not in self._known:
            schema_json = await self._fetch(schema_id)
            try:
                self._known[schema_id] = parse(schema_json)
            except Exception as error:  # fastavro raises many kinds; none of them must stop the stream
                raise UpstreamMalformed(SALESFORCE, SCHEMA, repr(error)) from error
        return self._known[schema_id]


def parse(schema_json: str) -> ParsedSchema:
    """Parse a schema from JSON, and expand named types where they are used."""
    raw = json.loads(schema_json)
    named: dict[str, Any] = {}

    def spell_out(kind: Any) -> Any:
        if isinstance(kind, str):
            return named.get(kind.rpartition(".")[2], kind)
        if isinstance(kind, list):
            return [spell_out(each) for each in kind]
        if kind.get("type") == "record":
            fields = [{**field, "type": spell_out(field["type"])} for field in kind["fields"]]
            named[kind["name"]] = {**kind, "fields": fields}
            return named[kind["name"]]
        return kind

    return ParsedSchema(fastavro.parse_schema(raw), spell_out(raw))
