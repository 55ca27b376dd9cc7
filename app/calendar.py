"""The customer's date, in the time zone of the billing address's country if that has only one.

Reads: the table of zones by country in the IANA time zone database.
"""

from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo


def today(country: str | None, fallback_zone: str) -> date:
    """Return the customer's date."""
    return datetime.now(UTC).astimezone(zone_of(country, fallback_zone)).date()


def zone_of(country: str | None, fallback_zone: str) -> ZoneInfo:
    """Return the customer's time zone; `fallback_zone` for countries with several, and for no country."""
    return ZoneInfo(_zones().get((country or "").upper(), fallback_zone))


@cache
def _zones() -> dict[str, str]:
    """Map countries with exactly one zone to it."""
    found: dict[str, list[str]] = {}
    for line in resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found.setdefault(country, []).append(zone)
    return {country: zones[0] for country, zones in found.items() if len(zones) == 1}
