"""Which day it is for a customer: in the time zone of the billing address's country, where that has but one.

Reads: the table of zones by country that the IANA time zone database carries.
"""

from datetime import UTC, date, datetime
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo


def today(country: str | None, fallback_zone: str) -> date:
    """The customer's date."""
    return datetime.now(UTC).astimezone(zone_of(country, fallback_zone)).date()


def zone_of(country: str | None, fallback_zone: str) -> ZoneInfo:
    """The customer's zone. Countries with several, and none at all, count as `fallback_zone`."""
    return ZoneInfo(_zones().get((country or "").upper(), fallback_zone))


@cache
def _zones() -> dict[str, str]:
    """Zone by country, of countries that have one."""
    found: dict[str, list[str]] = {}
    for line in resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text().splitlines():
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            found.setdefault(country, []).append(zone)
    return {country: zones[0] for country, zones in found.items() if len(zones) == 1}
