"""Permissions of the integration user: records, objects and fields that an administrator took away."""

from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.salesforce.org.values import Row
from sandbox.salesforce.rest.errors import SalesforceError, dml, not_found

SETS = ("records", "objects", "fields", "read_only")
FORBIDDEN = "INSUFFICIENT_ACCESS_OR_READONLY"


@dataclass
class Permissions:
    """Nothing is taken away at first.

    Attributes:
        records: ids of records that cannot be seen, though they exist.
        objects: objects that cannot be seen.
        fields: fields that cannot be seen, as `Order.Description`.
        read_only: objects, ids, and fields as `Order.Description`, that cannot be written.
        refusal: how a read of one record that cannot be seen is refused: `NOT_FOUND`, or a code under 403.
    """

    records: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    read_only: set[str] = field(default_factory=set)
    refusal: str = "NOT_FOUND"

    def check_read(self, name: str, record_id: str) -> None:
        """Refuse what cannot be seen.

        Raises:
            SalesforceError
        """
        if name not in self.objects and record_id not in self.records:
            return
        if self.refusal == "NOT_FOUND":
            raise not_found()
        raise SalesforceError(self.refusal, "insufficient access rights on object id", [], status=403)

    def check_write(self, name: str, record_id: str, values: Row) -> None:
        """Refuse what cannot be written.

        Raises:
            SalesforceError
        """
        self.check_read(name, record_id)
        if name in self.read_only or record_id in self.read_only:
            raise SalesforceError(FORBIDDEN, "insufficient access rights on object id", [], status=403)
        hidden = [each for each in values if f"{name}.{each}" in self.fields | self.read_only]
        if hidden:
            message = (
                f"Unable to create/update fields: {', '.join(hidden)}. Please check the security settings of this "
                "field and verify that it is read/write for your profile or permission set."
            )
            raise dml("INVALID_FIELD_FOR_INSERT_UPDATE", message, *hidden)


def changed(allowed: Permissions, body: dict[str, Any]) -> Permissions:
    """Return the permissions after a control request: what is named is replaced, the rest stays."""
    sets = {name: {str(each) for each in body[name]} for name in SETS if name in body}
    return replace(allowed, **sets, refusal=str(body.get("refusal", allowed.refusal)))


def shown(allowed: Permissions) -> dict[str, Any]:
    """For the control surface."""
    return {name: sorted(getattr(allowed, name)) for name in SETS} | {"refusal": allowed.refusal}
