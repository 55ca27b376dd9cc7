"""The service that an invoice line is about.

WHMCS's `relid` names a service only on some types of line. On others it is an add-on or an upgrade, which the portal
translates; a late fee or a group discount is about the whole invoice, so it names a service when all other lines are
about that one. Whatever is not known for certain names none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from app.events import Record
from app.projections.parts.fields import objects, plain
from app.projections.projector import Group

READS = ("invoice_upgrade",)
"""Children of an invoice that say which service an upgrade line is about."""
CONTEXT = ("addon",)
"""Records of the same client that say which service an add-on belongs to."""

OF_SERVICE = frozenset({"Hosting", "Setup", "PromoHosting"})
"""Types whose `relid` is a service."""
OF_ADDON = frozenset({"Addon", "PromoAddon"})
"""Types whose `relid` is an add-on of a service."""
OF_UPGRADE = "Upgrade"
"""The type whose `relid` is an upgrade order, which no action of WHMCS lists."""
OF_INVOICE = frozenset({"LateFee", "GroupDiscount"})
"""Types that concern the invoice as a whole."""

Line = Mapping[str, Any]


class Translations(Struct, frozen=True):
    """What is known of a client's add-ons and of an invoice's upgrades: id → service."""

    addons: Mapping[str, str] = {}
    upgrades: Mapping[str, str] = {}


NOTHING = Translations()


def translations(group: Group, invoice: Record) -> Translations:
    """Collect what translates the lines of an invoice. Add-ons of another client are no evidence."""
    addons = {
        record_id: record.parent_id
        for (name, record_id), record in group.context.items()
        if name == "addon" and record.parent_id and record.owner_id == invoice.owner_id
    }
    upgrades = {
        plain(record.data.get("upgrade_id")): plain(record.data.get("service_id"))
        for record in group.of("invoice_upgrade")
    }
    return Translations(addons, upgrades)


def services_of(lines: Sequence[Line], known: Translations = NOTHING) -> list[str | None]:
    """Return the service of each line, None for those about none or about one that is not known."""
    words = [word_of(line) for line in lines]
    sole_upgrade = words.count(OF_UPGRADE) == 1
    named = [_named(line, word, known, sole_upgrade) for line, word in zip(lines, words, strict=True)]
    others = {service for service, word in zip(named, words, strict=True) if word not in OF_INVOICE}
    sole = others.pop() if len(others) == 1 else None
    return [sole if word in OF_INVOICE else service for service, word in zip(named, words, strict=True)]


def billed(data: Mapping[str, Any], known: Translations) -> list[str]:
    """Return every service that an invoice bills, in the order of its lines."""
    return [each for each in dict.fromkeys(services_of(objects(data.get("items")), known)) if each]


def word_of(line: Line) -> str:
    """Return WHMCS's word for the type of a line."""
    return plain(line.get("type")).strip()


def relid_of(line: Line) -> str | None:
    """Return the id of what a line is about; None where WHMCS writes 0 for nothing."""
    found = plain(line.get("relid"))
    return None if found in ("", "0") else found


def _named(line: Line, word: str, known: Translations, sole_upgrade: bool) -> str | None:
    relid = relid_of(line)
    if relid is None:
        return None
    if word in OF_SERVICE:
        return relid
    if word in OF_ADDON:
        return known.addons.get(relid)
    if word == OF_UPGRADE:
        return known.upgrades.get(relid) or (_sole(known.upgrades) if sole_upgrade else None)
    return None


def _sole(upgrades: Mapping[str, str]) -> str | None:
    """Return the service of the only known upgrade, which the portal may have ordered without learning its id."""
    services = set(upgrades.values())
    return services.pop() if len(services) == 1 and "" in upgrades else None
