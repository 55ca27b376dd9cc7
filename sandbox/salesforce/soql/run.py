"""Running a parsed query over the org's rows."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.values import Row, row_url, show
from sandbox.salesforce.rest.errors import SalesforceError, malformed_query
from sandbox.salesforce.schema.fields import SObject
from sandbox.salesforce.soql.filter import Test, compile_test, constant, field_at, folded, getter
from sandbox.salesforce.soql.syntax import Aggregate, Compare, Condition, Logic, Path, Query

MAX_OFFSET = 2_000


class Runner:
    """Answers queries over one org in the row shape of one API version.

    Args:
        everything: whether rows in the recycle bin count, as for queryAll.
    """

    def __init__(self, org: Org, version: str, *, everything: bool = False) -> None:
        self.org = org
        self.version = version
        self.everything = everything

    def run(self, query: Query) -> tuple[int, list[Row]]:
        """Return the total and all records; a bare COUNT() has a total and no records.

        Raises:
            SalesforceError: MALFORMED_QUERY, INVALID_TYPE, INVALID_FIELD, INVALID_QUERY_FILTER_OPERATOR or
                NUMBER_OUTSIDE_VALID_RANGE.
        """
        sobject = self._object(query.source)
        if query.offset > MAX_OFFSET:
            raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}")
        rows = self._rows(sobject, query, self._candidates(sobject, query.where))
        aggregates = [each for each in query.selected if isinstance(each, Aggregate)]
        if not aggregates:
            records = self._records(sobject, query, rows)
            return len(records), records
        if len(aggregates) != len(query.selected):
            raise malformed_query("fields beside aggregates must be grouped; GROUP BY is not spoken here")
        if aggregates[0] == Aggregate("COUNT", (), "") and len(aggregates) == 1:
            return len(rows), []
        return 1, [self._aggregated(sobject, aggregates, rows)]

    def _object(self, name: str) -> SObject:
        known = {each.lower(): sobject for each, sobject in self.org.objects.items()}.get(name.lower())
        if known is None:
            message = (
                f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to "
                "append the '__c' after the entity name. Please reference your WSDL or the describe call for the "
                "appropriate names."
            )
            raise SalesforceError("INVALID_TYPE", message)
        return known

    def _candidates(self, sobject: SObject, where: Condition | None) -> Iterable[Row]:
        """All rows, or the few an index knows when the condition pins an id, a parent or an external id."""
        parts = where.parts if isinstance(where, Logic) and where.word == "AND" else (where,)
        for part in parts:
            if isinstance(part, Compare) and part.operator in ("=", "IN") and not isinstance(part.operand, Query):
                found = self._indexed(sobject, part)
                if found is not None:
                    return found
        return self.org.tables[sobject.name].values()

    def _indexed(self, sobject: SObject, part: Compare) -> list[Row] | None:
        steps, each = field_at(self.org, sobject, part.path)
        target = self.org.objects[steps[-1].target] if steps else sobject
        literals = part.operand if isinstance(part.operand, tuple) else (part.operand,)
        values = {constant(each, literal) for literal in literals}
        if None in values or len(steps) > 1 or (each.name != "Id" and each.name not in self.org.indexes[target.name]):
            return None
        found: list[Row] = []
        for value in values:
            if each.name == "Id":
                found += [row for row in (self.org.get(target.name, value),) if row is not None]
            else:
                found += self.org.find(target.name, each.name, value)
        if not steps:
            return found
        return [row for parent in found for row in self.org.find(sobject.name, steps[0].name, parent["Id"])]

    def _rows(self, sobject: SObject, query: Query, candidates: Iterable[Row]) -> list[Row]:
        test = self._test(sobject, query.where)
        seen = (row for row in candidates if (self.everything or not row["IsDeleted"]) and test(row))
        if query.order:
            rows = list(seen)
            for term in reversed(query.order):
                read, each = getter(self.org, sobject, term.path), field_at(self.org, sobject, term.path)[1]
                present = [row for row in rows if read(row) is not None]
                absent = [row for row in rows if read(row) is None]
                present.sort(key=lambda row, read=read, each=each: folded(each, read(row)), reverse=term.descending)  # type: ignore[misc]
                rows = present + absent if term.nulls_last else absent + present
            seen = iter(rows)  # type: ignore[assignment]
        stop = None if query.limit is None else query.offset + query.limit
        return list(islice(seen, query.offset, stop))

    def _test(self, sobject: SObject, where: Condition | None) -> Test:
        if where is None:
            return lambda row: True
        return compile_test(self.org, sobject, where, self._semi_join)

    def _semi_join(self, query: Query) -> list[Any]:
        path = query.selected[0]
        if len(query.selected) != 1 or not isinstance(path, tuple):
            raise malformed_query("a semi-join selects exactly one field")
        sobject = self._object(query.source)
        read = getter(self.org, sobject, path)
        return [read(row) for row in self._rows(sobject, query, self._candidates(sobject, query.where))]

    def _aggregated(self, sobject: SObject, aggregates: list[Aggregate], rows: list[Row]) -> Row:
        record: Row = {"attributes": {"type": "AggregateResult"}}
        for number, each in enumerate(aggregates):
            record[each.alias or f"expr{number}"] = self._aggregate(sobject, each, rows)
        return record

    def _aggregate(self, sobject: SObject, each: Aggregate, rows: list[Row]) -> Any:
        if not each.path:
            return len(rows)
        read, field = getter(self.org, sobject, each.path), field_at(self.org, sobject, each.path)[1]
        values = [value for value in map(read, rows) if value is not None]
        if each.function in ("COUNT", "COUNT_DISTINCT"):
            return len(values if each.function == "COUNT" else set(values))
        if not values:
            return None
        if each.function in ("MIN", "MAX"):
            return show(field, {field.name: min(values) if each.function == "MIN" else max(values)})
        return sum(values) / (len(values) if each.function == "AVG" else 1)

    def _records(self, sobject: SObject, query: Query, rows: list[Row]) -> list[Row]:
        paths = [each for each in query.selected if isinstance(each, tuple)]
        for path in paths:
            field_at(self.org, sobject, path)
        inner = [self._child(sobject, each) for each in query.selected if isinstance(each, Query)]
        return [self._record(sobject, paths, row) | self._children(inner, row) for row in rows]

    def _record(self, sobject: SObject, paths: list[Path], row: Row) -> Row:
        record: Row = {"attributes": {"type": sobject.name, "url": row_url(self.version, sobject.name, row["Id"])}}
        below: dict[str, list[Path]] = {}
        for path in paths:
            if len(path) == 1:
                each = sobject.by_lower[path[0].lower()]
                record[each.name] = show(each, row)
            else:
                below.setdefault(path[0].lower(), []).append(path[1:])
        for relationship, rest in below.items():
            reference = sobject.parents[relationship]
            parent = self.org.get(reference.target, row.get(reference.name) or "")
            target = self.org.objects[reference.target]
            record[reference.relationship] = self._record(target, rest, parent) if parent else None
        return record

    def _child(self, sobject: SObject, query: Query) -> tuple[str, str, SObject, Query]:
        known = {name.lower(): (name, *child) for name, child in sobject.children.items()}.get(query.source.lower())
        if known is None:
            message = f"Didn't understand relationship '{query.source}' in FROM part of query call."
            raise SalesforceError("INVALID_TYPE", message)
        relationship, name, field_name = known
        child = self.org.objects[name]
        self._records(child, query, [])
        return relationship, field_name, child, query

    def _children(self, inner: list[tuple[str, str, SObject, Query]], row: Row) -> Row:
        found: Row = {}
        for relationship, field_name, child, query in inner:
            rows = self._rows(child, query, self.org.find(child.name, field_name, row["Id"]))
            records = self._records(child, query, rows)
            found[relationship] = {"totalSize": len(records), "done": True, "records": records} if records else None
        return found
