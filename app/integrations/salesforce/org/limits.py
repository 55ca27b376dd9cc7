"""How much the org takes in the fields that customers fill in.

Declared here once, checked at our own door, and compared by `portal doctor` with what the org itself says. Salesforce
counts the units of UTF-16, of which most characters need one and emoji two; of case comments it counts bytes.
"""

from collections.abc import Mapping

from msgspec import Struct


class FieldLimit(Struct, frozen=True):
    """The most that a field takes."""

    most: int
    in_bytes: bool = False

    def fits(self, text: str) -> bool:
        """Whether the text is short enough."""
        size = len(text.encode()) if self.in_bytes else len(text.encode("utf-16-le", "surrogatepass")) // 2
        return size <= self.most

    @property
    def sentence(self) -> str:
        """What somebody is told whose text is too long."""
        if self.in_bytes:
            return f"This is too long: {self.most:,} bytes at most, which is {self.most // 3:,} Japanese characters."
        return f"This is too long: {self.most:,} characters at most."


STREET, CITY, STATE, POSTCODE, COUNTRY = FieldLimit(255), FieldLimit(40), FieldLimit(80), FieldLimit(20), FieldLimit(80)
SUBJECT, DESCRIPTION = FieldLimit(255), FieldLimit(32_000)
COMMENT = FieldLimit(4_000, in_bytes=True)
PORTING_NAME = FieldLimit(80)
PORTING_NUMBER = FieldLimit(20)

LIMITS: Mapping[str, Mapping[str, FieldLimit]] = {
    "Order": {
        "BillingStreet": STREET,
        "BillingCity": CITY,
        "BillingState": STATE,
        "BillingPostalCode": POSTCODE,
        "BillingCountry": COUNTRY,
        "Porting_LastName__c": PORTING_NAME,
        "Porting_FirstName__c": PORTING_NAME,
        "Porting_LastName_Katakana__c": PORTING_NAME,
        "Porting_FirstName_Katakana__c": PORTING_NAME,
        "MNP_Phone_Number__c": PORTING_NUMBER,
        "EID__c": FieldLimit(32),
        "Domain__c": FieldLimit(253),
        "Promo_Code__c": FieldLimit(50),
    },
    "Case": {"Subject": SUBJECT, "Description": DESCRIPTION},
    "CaseComment": {"CommentBody": COMMENT},
}
"""Object → field → limit."""
PLACES: Mapping[str, tuple[str, ...]] = {"BillingCountry": ("JP",)}
"""What is written into these must be among their values where the org has made picklists of them."""
CODES: Mapping[str, str] = {"BillingCountry": "BillingCountryCode"}
"""Fields that are there only where State and Country Picklists are switched on, by the field that then takes no other
value."""
