"""State and country/territory picklists: an org that has them switched on accepts no other places.

Each address then has a code next to the name of its state and of its country. Either can be written, and the other
follows.
"""

from typing import Any

from sandbox.salesforce.org.org import Org
from sandbox.salesforce.org.values import Row
from sandbox.salesforce.rest.errors import SalesforceError, dml
from sandbox.salesforce.schema.fields import Field, SObject

COUNTRIES = {"JP": "Japan", "US": "United States", "GB": "United Kingdom", "FR": "France"}
_PREFECTURES = (
    *("Hokkaido", "Aomori", "Iwate", "Miyagi", "Akita", "Yamagata", "Fukushima", "Ibaraki", "Tochigi", "Gunma"),
    *("Saitama", "Chiba", "Tokyo", "Kanagawa", "Niigata", "Toyama", "Ishikawa", "Fukui", "Yamanashi", "Nagano"),
    *("Gifu", "Shizuoka", "Aichi", "Mie", "Shiga", "Kyoto", "Osaka", "Hyogo", "Nara", "Wakayama"),
    *("Tottori", "Shimane", "Okayama", "Hiroshima", "Yamaguchi", "Tokushima", "Kagawa", "Ehime", "Kochi", "Fukuoka"),
    *("Saga", "Nagasaki", "Kumamoto", "Oita", "Miyazaki", "Kagoshima", "Okinawa"),
)
STATES = {
    "JP": {f"{number:02d}": name for number, name in enumerate(_PREFECTURES, start=1)},
    "US": {"CA": "California", "NY": "New York", "WA": "Washington"},
}
_OBJECTS = ("Account", "Contact", "Order")


def _stems(sobject: SObject) -> list[str]:
    return [each.name.removesuffix("Address") for each in sobject.fields if each.kind == "address"]


def switch_on(org: Org) -> list[tuple[str, str, Row]]:
    """Add the code fields; what the rows there are become, as (object, id, fields), for the caller to write."""
    states = tuple(dict.fromkeys(code for known in STATES.values() for code in known))
    changes = []
    for name in _OBJECTS:
        for stem in _stems(org.objects[name]):
            for part, values in (("StateCode", states), ("CountryCode", tuple(COUNTRIES))):
                if stem + part not in org.objects[name].by_name:
                    more: dict[str, Any] = {"values": values, "restricted": True, "in_events": False, "length": 10}
                    org.extend(name, Field(stem + part, "picklist", **more))
        for record_id, row in org.tables[name].items():
            converted: Row = {}
            for stem in _stems(org.objects[name]):
                converted |= _converted(stem, row)
            if converted:
                changes.append((name, record_id, converted))
    org.places = True
    return changes


def _converted(stem: str, row: Row) -> Row:
    """As the administrator's mapping makes of texts: what is no known place is emptied."""
    country = _code(COUNTRIES, row.get(stem + "Country"))
    state = _code(STATES.get(country or "", {}), row.get(stem + "State"))
    if row.get(stem + "Country") is None and row.get(stem + "State") is None:
        return {}
    return {
        stem + "CountryCode": country,
        stem + "Country": COUNTRIES.get(country or ""),
        stem + "StateCode": state,
        stem + "State": STATES.get(country or "", {}).get(state or ""),
    }


def _code(known: dict[str, str], word: str | None) -> str | None:
    """Return the code of a place by its code or its name."""
    return next((code for code, name in known.items() if word in (code, name)), None)


def settle(org: Org, sobject: SObject, row: Row, written: Row) -> None:
    """Check the places of a row that is about to be written, and let names and codes agree.

    Raises:
        SalesforceError: FIELD_INTEGRITY_EXCEPTION for a name that is no place.
    """
    if not org.places or sobject.name not in _OBJECTS:
        return
    for stem in _stems(sobject):
        _agree(stem, "Country", "country/territory", COUNTRIES, row, written)
        states = STATES.get(row.get(stem + "CountryCode") or "", {})
        _agree(stem, "State", "state", states, row, written)


def _agree(stem: str, part: str, word: str, known: dict[str, str], row: Row, written: Row) -> None:
    name, code = stem + part, stem + part + "Code"
    if name in written and written[name] is not None:
        found = next((key for key, label in known.items() if label == written[name]), None)
        if found is None:
            raise _no_place(name, word)
        row[code] = found
    elif written.get(code) is not None:
        if written[code] not in known:
            raise _no_place(code, word)
        row[name] = known[written[code]]
    elif name in written or code in written:
        row[name] = row[code] = None


def _no_place(name: str, word: str) -> SalesforceError:
    message = (
        f"There's a problem with this {word}, even though it may appear correct. Please select a {word} from the list "
        f"of valid {word.replace('country/territory', 'countries/territorie')}s.: {name}"
    )
    return dml("FIELD_INTEGRITY_EXCEPTION", message, name)
