"""The portal's requirements of the org, per object: fields read and written, and picklist values written or acted on.

`portal doctor` checks an org against them. `deploy/salesforce` installs and grants exactly this; tests keep both and
the code in line.
"""

from collections.abc import Mapping

from msgspec import Struct

from app.integrations.salesforce import wire
from app.integrations.salesforce.activation import (
    ACTIVATED,
    ACTIVATING,
    APPROVED,
    CANCELLED,
    CREATED,
    FAILED,
    FAMILY,
    PROCESSED,
    REJECTED,
)
from app.integrations.salesforce.activation import LINE as LINE_FIELDS
from app.integrations.salesforce.activation import READ as LIVE_FIELDS
from app.integrations.salesforce.cases import SUMMARY as CASE_SUMMARY
from app.integrations.salesforce.eligibility import PENDING, STAGE
from app.integrations.salesforce.orders import ADDRESS, CHOICES, ESIM, PENDING_REVIEW, PHYSICAL, PORTING
from app.integrations.salesforce.org.limits import LIMITS, FieldLimit
from app.integrations.salesforce.wire import FIELDS

ELIGIBILITY_EVENT = "Account_Eligibility_Update__e"


class Need(Struct, frozen=True, kw_only=True):
    """The requirements of one object. `writes` are the fields of updates and, where it `creates`, of new records."""

    reads: frozenset[str]
    writes: frozenset[str] = frozenset()
    creates: bool = False
    updates: bool = False
    words: Mapping[str, tuple[str, ...]] = {}
    unique: frozenset[str] = frozenset()
    """External ids that no two records may share."""
    limits: Mapping[str, FieldLimit] = {}
    """The maximum length of texts that customers may write."""

    @property
    def fields(self) -> frozenset[str]:
        """All fields, read or written."""
        return self.reads | self.writes


NEEDS: dict[str, Need] = {
    "Account": Need(
        reads=frozenset((*FIELDS["Account"], "MasterRecordId", "BillingPostalCode")),
        writes=frozenset(
            {
                *("Name", *wire.ACCOUNT_PERSONAL),  # overwritten by an erasure
                *(wire.ACCOUNT_WHMCS, wire.ACCOUNT_PORTAL_STATUS, wire.ACCOUNT_PORTAL_SOURCE),
                *(wire.ACCOUNT_LAST_SIGN_IN, wire.ACCOUNT_CANARY),
                *(wire.ACCOUNT_ELIGIBILITY_STATUS, wire.ACCOUNT_ELIGIBILITY_ASKED_AT, wire.ACCOUNT_ELIGIBILITY_CASE),
            }
        ),
        updates=True,
        words={
            wire.ACCOUNT_PORTAL_STATUS: ("Not Yet", "Active"),
            wire.ACCOUNT_PORTAL_SOURCE: ("New Signup", "Migrated"),
            wire.ACCOUNT_ELIGIBILITY_STATUS: (PENDING,),
        },
        unique=frozenset({wire.ACCOUNT_NUMBER}),
    ),
    "Order": Need(
        reads=frozenset((*FIELDS["Order"], *LIVE_FIELDS)),
        writes=frozenset(
            {
                *("AccountId", "Pricebook2Id", "EffectiveDate", "Status", "Order_Type__c", "MNP_Application__c"),
                *(
                    wire.ORDER_KEY,
                    wire.ORDER_INSTANT,
                    wire.ORDER_ADDRESS_CHANGED,
                    wire.ORDER_ACTIVATION,
                    wire.ORDER_WHMCS,
                ),
                *(wire.ORDER_ERROR_CODE, wire.ORDER_ERROR_MESSAGE, wire.ORDER_LAST_ATTEMPT),
                *(wire.ORDER_BILLING_CURRENCY, wire.ORDER_TAX_INCLUDED),
                *(*ADDRESS.values(), *CHOICES.values(), *PORTING.values()),
            }
        ),
        creates=True,
        updates=True,
        words={
            "Status": (PENDING_REVIEW, *sorted(APPROVED), PROCESSED, CANCELLED, REJECTED),
            "Order_Type__c": ("Internet", "SIM", "VPN", "Hosting", "Other"),
            wire.ORDER_ACTIVATION: (CREATED, ACTIVATING, ACTIVATED, FAILED),
            "SIM_Type__c": (PHYSICAL, ESIM),
            "Access_Mode__c": ("IPoE own router", "IPoE home gateway", "PPPoE"),
            "Installation_Type__c": ("Single", "12-Month", "24-Month"),
            "Porting_Gender__c": ("Male", "Female", "Corporate/Other"),
        },
        unique=frozenset({wire.ORDER_KEY}),
        limits=LIMITS["Order"],
    ),
    "OrderItem": Need(
        reads=frozenset(FIELDS["OrderItem"]) - wire.MAY_LACK,
        writes=frozenset(
            {
                *("OrderId", "PricebookEntryId", "Quantity", "UnitPrice"),
                *(wire.ITEM_SERVICE, wire.ITEM_BILLED_PRICE, wire.ITEM_BILLED_SETUP_FEE),
            }
        ),
        creates=True,
        updates=True,
    ),
    "Product2": Need(
        reads=frozenset((*FIELDS["Product2"], *LINE_FIELDS.values(), FAMILY)),
        words={"Item_Class__c": ("Service", "Installation", "Add-on", "Activation")},
    ),
    "PricebookEntry": Need(reads=frozenset(FIELDS["PricebookEntry"]) - wire.MAY_LACK),
    "Opportunity": Need(
        reads=frozenset({"Id", "AccountId", "StageName", "IsClosed"}),
        writes=frozenset({"Name", "AccountId", "StageName", "CloseDate", "Opportunity_Source__c"}),
        creates=True,
        words={"StageName": (STAGE,), "Opportunity_Source__c": ("Portal",)},
    ),
    "Case": Need(
        reads=frozenset((*CASE_SUMMARY.split(", "), *FIELDS["Case"], "Description")),
        writes=frozenset(
            {
                *("AccountId", "ContactId", "Subject", "Description", "Priority", "Status", "Origin"),
                *("Opportunity__c", wire.CASE_KEY),
            }
        ),
        creates=True,
        words={"Origin": (wire.CASE_ORIGIN,), "Status": ("New",), "Priority": ("High", "Medium", "Low")},
        unique=frozenset({wire.CASE_KEY}),
        limits=LIMITS["Case"],
    ),
    "CaseComment": Need(
        reads=frozenset((*FIELDS["CaseComment"], "CommentBody")),
        writes=frozenset({"ParentId", "CommentBody", "IsPublished"}),
        creates=True,
        limits=LIMITS["CaseComment"],
    ),
    "Contact": Need(reads=frozenset({"Id", "AccountId", "Email", "LastName", "CreatedDate"})),
    "ContentVersion": Need(
        reads=frozenset({"Id", "FirstPublishLocationId", "Checksum", "VersionData"}),
        writes=frozenset({"Title", "PathOnClient", "VersionData", "FirstPublishLocationId"}),
        creates=True,
    ),
    "SIM_Inventory__c": Need(reads=frozenset({"Phone_Number__c", "Assigned_Order__c"})),
}
SWEPT = ("Case", "CaseComment")
"""Mirrored without events: changes are found by SystemModstamp."""
CAPTURED = tuple(name for name in FIELDS if name not in SWEPT)
"""The objects whose changes the channel must carry. An org without the add-on allows five."""
