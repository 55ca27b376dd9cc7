"""The company's Salesforce vocabulary: the mirrored fields, and the names that several modules use.

Other names are next to their calls; `org/needs.py` gathers them all.
"""

USER_AGENT = "customer-portal/0.1"
CLIENT = "portal"
"""Sent as `Sforce-Call-Options: client=`; change events then tell our own writes from those of staff."""

ACCOUNT_NUMBER = "SF_Account_No__c"
ACCOUNT_WHMCS = "WH_Account__c"
ACCOUNT_PORTAL_STATUS = "Portal_Status__c"
ACCOUNT_LAST_SIGN_IN = "Portal_Last_SignIn__c"
ACCOUNT_PORTAL_SOURCE = "Portal_Registration_Source__c"

ACCOUNT_ELIGIBILITY_STATUS = "Internet_Eligibility_Status__c"
ACCOUNT_OFFERING = "Internet_Eligibility__c"
ACCOUNT_ELIGIBILITY_ASKED_AT = "Internet_Eligibility_Request_Date__c"
ACCOUNT_ELIGIBILITY_CASE = "Internet_Eligibility_Case_Id__c"
ACCOUNT_ELIGIBILITY_ADDRESS = "Internet_Eligibility_Address__c"
"""The address that status and offering are about, in one line."""

ACCOUNT_PERSONAL = (
    "Phone",
    "Fax",
    "Website",
    "Description",
    ACCOUNT_ELIGIBILITY_ADDRESS,
    *(
        f"{kind}{part}"
        for kind in ("Billing", "Shipping")
        for part in ("Street", "City", "State", "PostalCode", "Country")
    ),
)
"""Other personal fields of an account, emptied by an erasure. Only the postcode is read, for sign-ups."""

ACCOUNT_CANARY = "Portal_Canary__c"
"""Written on one account without an owner, to check that its change event arrives."""

ORDER_KEY = "Portal_Order_Key__c"
"""Unique external id, which makes creating an order idempotent."""
ORDER_ACTIVATION = "Activation_Status__c"
ORDER_ERROR_CODE = "Activation_Error_Code__c"
ORDER_ERROR_MESSAGE = "Activation_Error_Message__c"
ORDER_LAST_ATTEMPT = "Activation_Last_Attempt_At__c"
ORDER_ADDRESS_CHANGED = "Address_Changed__c"
ORDER_WHMCS = "WHMCS_Order_ID__c"
ORDER_INSTANT = "Portal_Instant__c"
ORDER_BILLING_CURRENCY = "Billing_Currency__c"
"""The currency in which the order was agreed to be billed; empty on orders that the portal did not price."""
ORDER_TAX_INCLUDED = "Billing_Tax_Included__c"
ITEM_BILLED_PRICE = "Billed_Price__c"
"""The price of one in the billing currency, where `UnitPrice` is in another."""
ITEM_BILLED_SETUP_FEE = "Billed_Setup_Fee__c"
ITEM_SERVICE = "WHMCS_Service_ID__c"

CASE_ORIGIN = "Portal Website"
CASE_KEY = "Portal_Case_Key__c"
"""Unique external id, which makes opening a case idempotent."""

CURRENCY = "CurrencyIsoCode"
MAY_LACK = frozenset({CURRENCY})
"""Mirrored if the org has them: a currency exists only with multiple currencies. Never the first field of an object."""

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
        ACCOUNT_ELIGIBILITY_ADDRESS,
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
        ORDER_BILLING_CURRENCY,
        ORDER_TAX_INCLUDED,
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
        ITEM_BILLED_PRICE,
        ITEM_BILLED_SETUP_FEE,
        CURRENCY,
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
"""Mirrored fields per object.

MNP identity data (names, birthday) passes through and is not stored; neither is the text of cases and comments.
"""

OWNER_FIELD = {"Account": "Id", "Order": "AccountId", "Case": "AccountId"}
PARENT_FIELD = {"OrderItem": "OrderId", "PricebookEntry": "Product2Id", "CaseComment": "ParentId"}
ELIGIBILITY_EVENT_ACCOUNT = "Account_Id__c"
"""The field in which the eligibility event names its account."""
