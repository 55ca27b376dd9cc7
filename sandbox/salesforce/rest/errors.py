"""The org's refusals, with the vendor's codes and texts."""

from typing import Any


class SalesforceError(Exception):
    """One refusal, or several at once.

    Attributes:
        status: the HTTP status REST answers with.
        problems: (code, message, fields) each; `fields` is None for errors that are not about a row's fields.
    """

    def __init__(self, code: str, message: str, fields: list[str] | None = None, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.problems: list[tuple[str, str, list[str] | None]] = [(code, message, fields)]

    def rest(self) -> list[dict[str, Any]]:
        """Return the array body of REST answers."""
        return [
            {"message": message, "errorCode": code} | ({} if fields is None else {"fields": fields})
            for code, message, fields in self.problems
        ]

    def collection(self) -> list[dict[str, Any]]:
        """Return the `errors` of a collection, tree or platform event result, where the code is called statusCode."""
        return [
            {"statusCode": code, "message": message, "fields": fields or []} for code, message, fields in self.problems
        ]


def combined(errors: list[SalesforceError]) -> SalesforceError:
    """Several refusals of one row as one."""
    first = errors[0]
    first.problems = [problem for error in errors for problem in error.problems]
    return first


def dml(code: str, message: str, *fields: str) -> SalesforceError:
    """Return a refusal about fields of a row."""
    return SalesforceError(code, message, list(fields))


def not_found() -> SalesforceError:
    """No such row, object or resource."""
    return SalesforceError("NOT_FOUND", "The requested resource does not exist", status=404)


def deleted() -> SalesforceError:
    """Return the refusal of a row that lies in the recycle bin."""
    return SalesforceError("ENTITY_IS_DELETED", "entity is deleted", [], status=404)


def invalid_session() -> SalesforceError:
    """Return the refusal of an access token that is unknown, expired or revoked."""
    return SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401)


def malformed_query(message: str) -> SalesforceError:
    """SOQL that does not parse, or that this stand-in does not speak."""
    return SalesforceError("MALFORMED_QUERY", message)
