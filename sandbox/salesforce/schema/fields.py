"""Describing objects and fields: what REST accepts and shows, and what change events carry, come from here alone."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal[
    "id", "reference", "string", "textarea", "email", "phone", "url", "picklist", "multipicklist", "boolean",
    "int", "double", "currency", "percent", "date", "datetime", "address", "base64",
]  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One field of an object.

    Attributes:
        target: the object a reference points to; `relationship` is the name that SOQL and bodies reach it by.
        values: the picklist values; with `restricted` no others are accepted.
        required: a create without a value is refused.
        writable: whether a create or update may name it; `create_only` forbids updates.
        in_events: whether change events carry it by this name.
        in_bytes: whether `length` counts bytes of UTF-8 and not characters.
    """

    name: str
    kind: Kind
    length: int = 255
    target: str = ""
    relationship: str = ""
    values: tuple[str, ...] = ()
    restricted: bool = False
    required: bool = False
    writable: bool = True
    create_only: bool = False
    external_id: bool = False
    default: Any = None
    in_events: bool = True
    in_bytes: bool = False

    @property
    def custom(self) -> bool:
        """Whether the company added the field to the vendor's object."""
        return self.name.endswith("__c")


@dataclass(frozen=True)
class SObject:
    """One object: its fields in the order of the change event, and the relationships below it."""

    name: str
    label: str
    prefix: str
    fields: tuple[Field, ...]
    children: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Child relationship name → (object, the reference field there): `OrderItems` → (`OrderItem`, `OrderId`)."""
    cascades: tuple[str, ...] = ()
    """The child relationships whose rows are deleted together with the parent."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {each.name: each for each in self.fields})
        object.__setattr__(self, "by_lower", {each.name.lower(): each for each in self.fields})
        parents = {each.relationship.lower(): each for each in self.fields if each.relationship}
        object.__setattr__(self, "parents", parents)

    by_name: dict[str, Field] = field(init=False, repr=False, compare=False)
    by_lower: dict[str, Field] = field(init=False, repr=False, compare=False)
    parents: dict[str, Field] = field(init=False, repr=False, compare=False)

    def extended(self, *more: Field) -> "SObject":
        """Return the object after an administrator added fields."""
        return replace(self, fields=(*self.fields, *more))


def text(name: str, length: int = 255, **more: Any) -> Field:
    """Return a text field."""
    return Field(name, "string", length=length, **more)


def area(name: str, length: int = 32_000) -> Field:
    """Return a long text field."""
    return Field(name, "textarea", length=length)


def phone(name: str) -> Field:
    """Return a phone number field."""
    return Field(name, "phone", length=40)


def pick(name: str, *values: str, **more: Any) -> Field:
    """Return a picklist, restricted only when asked for."""
    return Field(name, "picklist", values=values, **more)


def ref(name: str, target: str, **more: Any) -> Field:
    """Return a lookup. Its relationship is named as the vendor does: `AccountId` → `Account`, `Order__c` →
    `Order__r`."""
    relationship = name[:-1] + "r" if name.endswith("__c") else name.removesuffix("Id")
    return Field(name, "reference", length=18, target=target, relationship=relationship, **more)


def check(name: str) -> Field:
    """Return a checkbox; unset reads false."""
    return Field(name, "boolean", default=False)


def fields_of(kind: Kind, *names: str) -> tuple[Field, ...]:
    """Several plain fields of one kind."""
    return tuple(Field(name, kind) for name in names)


def address(name: str) -> tuple[Field, ...]:
    """Return an address: the read-only compound followed by its writable parts (`BillingAddress`, `BillingStreet`,
    …)."""
    stem = name.removesuffix("Address")
    parts = tuple(text(stem + part, length, in_events=False) for part, length in ADDRESS_PARTS)
    places = tuple(Field(stem + part, "double", in_events=False) for part in ("Latitude", "Longitude"))
    return (Field(name, "address", writable=False), *parts, *places)


ADDRESS_PARTS = (("Street", 255), ("City", 40), ("State", 80), ("PostalCode", 20), ("Country", 80))


def system(*, owner: bool = True) -> tuple[Field, ...]:
    """Return the fields every row has, in the order in which change events end."""
    owned = (ref("OwnerId", "User"),) if owner else ()
    return (
        *owned,
        Field("CreatedDate", "datetime", writable=False),
        ref("CreatedById", "User", writable=False),
        Field("LastModifiedDate", "datetime", writable=False),
        ref("LastModifiedById", "User", writable=False),
        Field("Id", "id", length=18, writable=False, in_events=False),
        Field("IsDeleted", "boolean", default=False, writable=False, in_events=False),
        Field("SystemModstamp", "datetime", writable=False, in_events=False),
    )
