"""Comparison of an org's describe document with the portal's requirements of one object. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from app.integrations.salesforce.org.limits import CODES, PLACES
from app.integrations.salesforce.org.needs import Need

PERMISSION_SET = "Customer_Portal_Integration"


class Lack(Struct, frozen=True):
    """`text` says what is missing, `advice` how an administrator adds it."""

    text: str
    advice: str


def lacks(object_name: str, need: Need, described: Mapping[str, Any]) -> Iterator[Lack]:
    """Find everything that is missing, hidden, forbidden or different from the portal's requirements."""
    fields = {each["name"]: each for each in described["fields"]}
    yield from _permissions(object_name, need, described)
    yield from _absent(object_name, sorted(need.fields - set(fields)))
    yield from _read_only(object_name, need, fields)
    for name in sorted(need.unique & set(fields)):
        if not (fields[name]["externalId"] and fields[name]["unique"]):
            yield Lack(
                f"{name} is not a unique external id",
                f"Set External ID and Unique on {object_name}.{name}, or deploy deploy/salesforce.",
            )
    for name, words in need.words.items():
        if name in fields:
            yield from _unspoken(object_name, fields[name], words)
    yield from _short(object_name, need, fields)
    yield from _unlisted(object_name, need, fields)


def deploy(object_name: str, names: list[str]) -> str:
    """Compose the command that installs custom fields."""
    wanted = " ".join(f"CustomField:{object_name}.{name}" for name in names)
    return f"sf project deploy start --metadata {wanted}"


def _permissions(object_name: str, need: Need, described: Mapping[str, Any]) -> Iterator[Lack]:
    wanted = {"queryable": True, "createable": need.creates, "updateable": need.updates}
    missing = [name for name, needed in wanted.items() if needed and not described.get(name)]
    if missing:
        yield Lack(
            f"not {', '.join(missing)} for the integration user",
            f"Assign the permission set {PERMISSION_SET}, or grant it by hand on {object_name}.",
        )


def _absent(object_name: str, names: list[str]) -> Iterator[Lack]:
    custom = [name for name in names if name.endswith("__c")]
    standard = [name for name in names if name not in custom]
    if custom:
        yield Lack(
            f"absent, or hidden from the integration user: {', '.join(custom)}",
            f"In deploy/salesforce: {deploy(object_name, custom)}; assign the permission set {PERMISSION_SET}.",
        )
    if standard:
        yield Lack(
            f"hidden from the integration user: {', '.join(standard)}",
            "Grant the integration user read access to them (field-level security).",
        )


def _read_only(object_name: str, need: Need, fields: Mapping[str, Any]) -> Iterator[Lack]:
    ways = [way for way, used in (("createable", need.creates), ("updateable", need.updates)) if used]
    written = sorted(need.writes & set(fields))
    closed = [name for name in written if not any(fields[name].get(way) for way in ways)]
    if closed:
        yield Lack(
            f"not writable for the integration user: {', '.join(closed)}",
            f"Assign the permission set {PERMISSION_SET}, or grant edit access to them on {object_name}.",
        )


def _unspoken(object_name: str, field: Mapping[str, Any], words: tuple[str, ...]) -> Iterator[Lack]:
    known = {each["value"] for each in field.get("picklistValues") or () if each.get("active")}
    missing = [word for word in words if word not in known]
    if missing:
        listed = ", ".join(f"“{word}”" for word in missing)
        yield Lack(
            f"{field['name']} has no {listed}",
            f"Setup → Object Manager → {object_name} → {field['name']}: add the values, spelled like this.",
        )


def _short(object_name: str, need: Need, fields: Mapping[str, Any]) -> Iterator[Lack]:
    """Find fields that are shorter than customers may write: a longer text is refused after it was accepted here."""
    for name, limit in sorted(need.limits.items()):
        described = fields.get(name, {})
        length = (limit.in_bytes and described.get("byteLength")) or described.get("length") or limit.most
        if length < limit.most:
            unit = "bytes" if limit.in_bytes else "characters"
            yield Lack(
                f"{name} takes {length} {unit}, and customers may write {limit.most}",
                f"Setup → Object Manager → {object_name} → {name}: set the length to {limit.most} or more.",
            )


def _unlisted(object_name: str, need: Need, fields: Mapping[str, Any]) -> Iterator[Lack]:
    """Find address fields that are picklists in this org, and lack a value that is written into them."""
    for name, words in PLACES.items():
        for field in (fields.get(name, {}), fields.get(CODES[name], {})):
            listed = {each["value"] for each in field.get("picklistValues") or () if each.get("active")}
            if name not in need.writes or not listed:
                continue
            if missing := [word for word in words if word not in listed]:
                yield Lack(
                    f"{field['name']} is a picklist without {', '.join(missing)}, which the portal writes into {name}",
                    "Setup → State and Country/Territory Picklists: make the two-letter code each country's code and "
                    "integration value.",
                )
