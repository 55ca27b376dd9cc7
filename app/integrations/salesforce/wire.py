"""The company's Salesforce vocabulary: the fields that are mirrored, and the names that several modules use.

What else is read or written is named beside its call; `org/needs.py` gathers it all.
"""

USER_AGENT = "customer-portal/0.1"
CLIENT = "portal"
"""Sent as `Sforce-Call-Options: client=`; change events then tell our own writes from a staff change."""

ACCOUNT_NUMBER = "SF_Account_No__c"
ACCOUNT_WHMCS = "WH_Account__c"
ACCOUNT_PORTAL_STATUS = "Portal_Status__c"
ACCOUNT_LAST_SIGN_IN = "Portal_Last_SignIn__c"
ACCOUNT_PORTAL_SOURCE = "Portal_Registration_Source__c"

ACCOUNT_ELIGIBILITY_STATUS = "Internet_Eligibility_Status__c"
ACCOUNT_OFFERING = "Internet_Eligibility__c"
ACCOUNT_ELIGIBILITY_ASKED_AT = "Internet_Eligibility_Request_Date__c"
ACCOUNT_ELIGIBILITY_CASE = "Internet_Eligibility_Case_Id__c"

ACCOUNT_PERSONAL = (
    "Phone",
    "Fax",
    "Website",
    "Description",
    *(
        f"{kind}{part}"
        for kind in ("Billing", "Shipping")
        for part in ("Street", "City", "State", "PostalCode", "Country")
    ),
)
"""What else an account says of a person: emptied by an erasure. Only its postcode is read, to compare it at sign-up."""

ACCOUNT_CANARY = "Portal_Canary__c"
"""Written on one account that belongs to nobody, to see that its change event arrives."""

ORDER_KEY = "Portal_Order_Key__c"
"""External id, unique: what makes creating an order repeatable."""
ORDER_ACTIVATION = "Activation_Status__c"
ORDER_ERROR_CODE = "Activation_Error_Code__c"
ORDER_ERROR_MESSAGE = "Activation_Error_Message__c"
ORDER_LAST_ATTEMPT = "Activation_Last_Attempt_At__c"
ORDER_ADDRESS_CHANGED = "Address_Changed__c"
ORDER_WHMCS = "WHMCS_Order_ID__c"
ORDER_INSTANT = "Portal_Instant__c"
ITEM_SERVICE = "WHMCS_Service_ID__c"

CASE_ORIGIN = "Portal Website"
CASE_KEY = "Portal_Case_Key__c"
"""External id, unique: what makes opening a case repeatable."""

CURRENCY = "CurrencyIsoCode"
MAY_LACK = frozenset({CURRENCY})
"""Mirrored where the org has them: there is a currency only where several are switched on. Never an object's first."""

_SYSTEM = ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp")

FIELDS: dict[str, tuple[str, ...]] = {
    "Account": (
        *_SYSTEM,
        "Name",
        ACCOUNT_NUMBER,
        ACCOUNT_WHMCS,
        ACCOUNT_PORTAL_STATUS,
        ACCOUNT_CANARY,
        ACCOUNT_OFFERING,
        ACCOUNT_ELIGIBILITY_STATUS,
    ),
    "Order": (
        *_SYSTEM,
        "AccountId",
        "OrderNumber",
        "Status",
        "EffectiveDate",
        "TotalAmount",
        "Pricebook2Id",
        "BillingStreet",
        "BillingCity",
        "BillingState",
        "BillingPostalCode",
        "BillingCountry",
        "Order_Type__c",
        ORDER_KEY,
        ORDER_ACTIVATION,
        ORDER_ERROR_CODE,
        ORDER_ERROR_MESSAGE,
        ORDER_LAST_ATTEMPT,
        ORDER_ADDRESS_CHANGED,
        ORDER_WHMCS,
        "SIM_Type__c",
        "EID__c",
        "VPN_Region__c",
        "Access_Mode__c",
        "Installation_Type__c",
        "SIM_Voice_Mail__c",
        "SIM_Call_Waiting__c",
        "MNP_Application__c",
        "MNP_Phone_Number__c",
        "Domain__c",
        "Promo_Code__c",
    ),
    "OrderItem": (
        *_SYSTEM,
        "OrderId",
        "Product2Id",
        "PricebookEntryId",
        "Quantity",
        "UnitPrice",
        "Description",
        ITEM_SERVICE,
    ),
    "Product2": (
        *_SYSTEM,
        "Name",
        "Description",
        "IsActive",
        "StockKeepingUnit",
        "Product2Categories1__c",
        "Portal_Catalog__c",
        "Portal_Accessible__c",
        "Portal_Instant__c",
        "Item_Class__c",
        "Billing_Cycle__c",
        "WH_Product_ID__c",
        "WH_Product_Name__c",
        "Is_Default__c",
        "Display_Order__c",
        "Auto_Add__c",
        "Required_Products__c",
        "Dependent_Products__c",
        "Mutually_Exclusive__c",
        "VPN_Region__c",
        "Internet_Plan_Tier__c",
        "Internet_Offering_Type__c",
        "Internet_Monthly_Price__c",
        "Internet_Region__c",
        "Eligibility_Condition__c",
        "SIM_Data_Size__c",
        "SIM_Plan_Type__c",
        "SIM_Plan_Code__c",
        "SIM_Has_Family_Discount__c",
    ),
    "PricebookEntry": (*_SYSTEM, "Product2Id", "Pricebook2Id", "UnitPrice", "IsActive", CURRENCY),
    "Case": (*_SYSTEM, "AccountId", "CaseNumber", "Subject", "Status", "Origin", "IsClosed", "ClosedDate"),
    "CaseComment": (*_SYSTEM, "ParentId", "IsPublished"),
}
"""What is mirrored of each object. MNP identity data (names, birthday) is left out: it goes through and is not kept; so
is what people write to each other about a case."""

OWNER_FIELD = {"Account": "Id", "Order": "AccountId", "Case": "AccountId"}
PARENT_FIELD = {"OrderItem": "OrderId", "PricebookEntry": "Product2Id", "CaseComment": "ParentId"}
ELIGIBILITY_EVENT_ACCOUNT = "Account_Id__c"
"""The field by which the eligibility event names its account."""
