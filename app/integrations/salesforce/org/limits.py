"""The org's length limits for fields that customers fill in.

Declared here once, checked at our own API, and compared by `portal doctor` with the org's. Salesforce counts UTF-16
units, of which most characters take one and emoji two; for case comments it counts bytes.
"""

from collections.abc import Mapping

from msgspec import Struct

from app.words.sentence import Sentence, say


class FieldLimit(Struct, frozen=True):
    """The maximum length of a field."""

    most: int
    in_bytes: bool = False

    def fits(self, text: str) -> bool:
        """Return true if the text is short enough."""
        size = len(text.encode()) if self.in_bytes else len(text.encode("utf-16-le", "surrogatepass")) // 2
        return size <= self.most

    @property
    def sentence(self) -> Sentence:
        """The sentence for a customer whose text is too long."""
        if self.in_bytes:
            return say("fields.too_long_in_bytes", most=self.most, japanese=self.most // 3)
        return say("fields.too_long", most=self.most)


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
"""Values that must be in the picklist, if the org has made a picklist of the field."""
CODES: Mapping[str, str] = {"BillingCountry": "BillingCountryCode"}
"""Field → its code field, which exists only with State and Country Picklists.

The field then takes no other value.
"""
