"""Every object of the org, and the objects that change data capture follows."""

from sandbox.salesforce.schema import accounts, files, orders
from sandbox.salesforce.schema.fields import Field, SObject

OBJECTS: dict[str, SObject] = {each.name: each for each in (*accounts.OBJECTS, *files.OBJECTS, *orders.OBJECTS)}

CAPTURED = ("Account", "Order", "OrderItem", "Product2", "PricebookEntry")
"""The entities selected for change data capture: five, as an org without the add-on allows."""

CHANNELS = ("/data/ChangeEvents", "/data/Portal__chn")
"""Topics that carry all captured entities in one order."""

ELIGIBILITY_EVENT = "Account_Eligibility_Update__e"
EVENTS: dict[str, tuple[Field, ...]] = {
    ELIGIBILITY_EVENT: (
        Field("Account_Id__c", "string", length=18),
        Field("Internet_Eligibility__c", "string"),
        Field("Internet_Eligibility_Status__c", "string"),
        Field("Id_Verification_Status__c", "string"),
    )
}
"""Platform events by API name, with their custom fields."""


def entity_topic(name: str) -> str:
    """Return the single-entity topic of an object: `Order` → `/data/OrderChangeEvent`."""
    return f"/data/{name[:-3]}__ChangeEvent" if name.endswith("__c") else f"/data/{name}ChangeEvent"


def event_topic(name: str) -> str:
    """Return the topic of a platform event."""
    return f"/event/{name}"
