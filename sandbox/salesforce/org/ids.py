"""Salesforce record ids: three characters of key prefix, a base-62 counter, and three of checksum."""

import re

PREFIXES = {
    "Organization": "00D",
    "User": "005",
    "Account": "001",
    "Contact": "003",
    "Opportunity": "006",
    "Product2": "01t",
    "Pricebook2": "01s",
    "PricebookEntry": "01u",
    "Order": "801",
    "OrderItem": "802",
    "Case": "500",
    "CaseComment": "00a",
    "ContentDocument": "069",
    "ContentDocumentLink": "06A",
    "ContentVersion": "068",
    "Asset": "02i",
    "SIM_Inventory__c": "a00",
    "PlatformEvent": "e00",
    "QueryLocator": "01g",
}

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ID = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?")


def checksum(id15: str) -> str:
    """Return the three characters that keep a case-sensitive 15-character id unique where case is lost."""
    groups = (id15[start : start + 5] for start in (0, 5, 10))
    return "".join(_CHECK[sum(1 << k for k, char in enumerate(group) if "A" <= char <= "Z")] for group in groups)


def make_id(prefix: str, number: int) -> str:
    """Return the 18-character id of the `number`-th record under a key prefix: `make_id("001", 1)`."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    id15 = prefix + "5h00" + digits.rjust(8, "0")
    return id15 + checksum(id15)


def full_id(value: str) -> str | None:
    """Return a 15- or 18-character id as 18 characters; None for a wrong shape or checksum."""
    if not _ID.fullmatch(value):
        return None
    known = value[:15] + checksum(value[:15])
    return known if len(value) == 15 or value == known else None
