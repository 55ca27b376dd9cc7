"""The part of SOQL that portals speak, as a syntax tree.

    SELECT a, Parent.b, COUNT(), MAX(c) m, (SELECT d FROM Children)  FROM Object
    WHERE … AND/OR/NOT, = != < > <= >= LIKE IN NOT IN, semi-joins  ORDER BY … LIMIT n OFFSET n

Anything beyond is MALFORMED_QUERY.
"""

from dataclasses import dataclass
from typing import Any, Literal, Union

from sandbox.salesforce.rest.errors import malformed_query
from sandbox.salesforce.soql.text import Token, tokens, unescape, unexpected

Path = tuple[str, ...]

AGGREGATES = ("COUNT", "COUNT_DISTINCT", "SUM", "MIN", "MAX", "AVG")
_OPERATORS = ("=", "!=", "<>", "<", ">", "<=", ">=")
_CLAUSES = frozenset({"where", "order", "limit", "offset", "group", "having", "for", "with", "using", "all"})


@dataclass(frozen=True)
class Literals:
    """A literal as it was written: a kind and its value; `word` covers booleans, null and relative dates."""

    kind: Literal["string", "number", "date", "datetime", "word"]
    value: str


@dataclass(frozen=True)
class Compare:
    """`path operator literal`; IN and NOT IN carry a tuple of literals or a query."""

    path: Path
    operator: str
    operand: Any


@dataclass(frozen=True)
class Logic:
    """AND or OR over several conditions, NOT over one."""

    word: Literal["AND", "OR", "NOT"]
    parts: tuple["Condition", ...]


Condition = Compare | Logic


@dataclass(frozen=True)
class Aggregate:
    """`MAX(path) alias`; a bare `COUNT()` has an empty path."""

    function: str
    path: Path
    alias: str


@dataclass(frozen=True)
class Ordering:
    """One ORDER BY term; nulls come first by default."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    """A parsed query; `source` is an object, or a child relationship in a subquery."""

    selected: tuple[Union[Path, Aggregate, "Query"], ...]
    source: str
    where: Condition | None
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int


def parse(text: str) -> Query:
    """Parse a query into its tree.

    Raises:
        SalesforceError: MALFORMED_QUERY, pointing at the first token that does not fit.
    """
    if not text.strip():
        raise malformed_query("SOQL statements cannot be empty or null")
    parser = _Parser(text)
    query = parser.query()
    parser.end()
    return query


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fail(self) -> Exception:
        return unexpected(self.text, self.token)

    def end(self) -> None:
        if self.token.kind != "end":
            raise self.fail()

    def take(self, *texts: str) -> str | None:
        """Consume the next token when it is one of these, and return it in lower case."""
        low = self.token.text.lower()
        if low not in texts or self.token.kind == "string":
            return None
        self.at += 1
        return low

    def expect(self, *texts: str) -> str:
        taken = self.take(*texts)
        if taken is None:
            raise self.fail()
        return taken

    def kind(self, *kinds: str) -> Token:
        token = self.token
        if token.kind not in kinds:
            raise self.fail()
        self.at += 1
        return token

    def path(self) -> Path:
        return tuple(self.kind("name").text.split("."))

    def query(self) -> Query:
        self.expect("select")
        selected = [self.selection()]
        while self.take(","):
            selected.append(self.selection())
        self.expect("from")
        source = self.kind("name").text
        where = self.any_of() if self.take("where") else None
        order = self.orderings() if self.take("order") else ()
        limit = int(self.kind("number").text) if self.take("limit") else None
        offset = int(self.kind("number").text) if self.take("offset") else 0
        return Query(tuple(selected), source, where, order, limit, offset)

    def selection(self) -> Path | Aggregate | Query:
        if self.take("("):
            inner = self.query()
            self.expect(")")
            return inner
        name = self.path()
        if self.token.text != "(":
            return name
        if len(name) != 1 or name[0].upper() not in AGGREGATES:
            raise self.fail()
        self.expect("(")
        argument = () if self.token.text == ")" and name[0].upper() == "COUNT" else self.path()
        self.expect(")")
        named = self.token.kind == "name" and self.token.text.lower() not in {"from", *_CLAUSES}
        return Aggregate(name[0].upper(), argument, self.kind("name").text if named else "")

    def any_of(self) -> Condition:
        """Terms joined by AND alone or by OR alone: mixing them takes parentheses."""
        parts = [self.term()]
        word = self.take("and", "or")
        joined: Literal["AND", "OR"] = "OR" if word == "or" else "AND"
        while word:
            parts.append(self.term())
            if not self.take(word):
                if self.token.text.lower() in ("and", "or"):
                    raise self.fail()
                break
        return parts[0] if len(parts) == 1 else Logic(joined, tuple(parts))

    def term(self) -> Condition:
        if self.take("not"):
            return Logic("NOT", (self.term(),))
        if self.take("("):
            inner = self.any_of()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Compare:
        path = self.path()
        if self.take("like"):
            return Compare(path, "LIKE", self.literal())
        if self.take("in"):
            return Compare(path, "IN", self.members())
        if self.take("not"):
            self.expect("in")
            return Compare(path, "NOT IN", self.members())
        operator = self.expect(*_OPERATORS)
        return Compare(path, "!=" if operator == "<>" else operator, self.literal())

    def members(self) -> Query | tuple[Literals, ...]:
        self.expect("(")
        if self.token.text.lower() == "select":
            inner = self.query()
            self.expect(")")
            return inner
        values = [self.literal()]
        while self.take(","):
            values.append(self.literal())
        self.expect(")")
        return tuple(values)

    def literal(self) -> Literals:
        token = self.kind("string", "number", "date", "datetime", "name")
        if token.kind == "string":
            return Literals("string", unescape(token.text))
        if token.kind == "name":
            return Literals("word", token.text)
        kinds: dict[str, Literal["number", "date", "datetime"]] = {
            "number": "number",
            "date": "date",
            "datetime": "datetime",
        }
        return Literals(kinds[token.kind], token.text)

    def orderings(self) -> tuple[Ordering, ...]:
        self.expect("by")
        found = [self.ordering()]
        while self.take(","):
            found.append(self.ordering())
        return tuple(found)

    def ordering(self) -> Ordering:
        path = self.path()
        descending = self.take("asc", "desc") == "desc"
        nulls_last = bool(self.take("nulls")) and self.expect("first", "last") == "last"
        return Ordering(path, descending, nulls_last)
