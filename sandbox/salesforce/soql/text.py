"""SOQL text as tokens."""

import re
from dataclasses import dataclass

from sandbox.salesforce.rest.errors import malformed_query

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
  | (?P<date>\d{4}-\d{2}-\d{2})
  | (?P<number>[+-]?\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?::\d+)?)
  | (?P<operator><=|>=|!=|<>|[=<>(),])
    """,
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@dataclass(frozen=True)
class Token:
    """One word, literal or sign; `column` counts from 1."""

    kind: str
    text: str
    column: int


def tokens(text: str) -> list[Token]:
    """All tokens, ended by one of kind `end`.

    Raises:
        SalesforceError: MALFORMED_QUERY at the first character that starts no token.
    """
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise unexpected(text, Token("character", text[at], at + 1))
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, match.group(), at + 1))
        at = match.end()
    return [*found, Token("end", "<EOF>", len(text) + 1)]


def unescape(literal: str) -> str:
    """Return the text of a quoted literal. What is escaped for LIKE stays so."""
    return re.sub(r"\\([^%_])", lambda match: _ESCAPES.get(match[1], match[1]), literal[1:-1], flags=re.DOTALL)


def unexpected(text: str, token: Token) -> Exception:
    """Return the vendor's way of pointing at a place in the query."""
    start = max(0, token.column - 30)
    excerpt = text[start : token.column + 20]
    pointer = " " * (token.column - 1 - start) + "^"
    message = f"\n{excerpt}\n{pointer}\nERROR at Row:1:Column:{token.column}\nunexpected token: '{token.text}'"
    return malformed_query(message)
