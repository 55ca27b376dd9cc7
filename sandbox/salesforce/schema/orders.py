"""Products, price books, orders, assets and the SIM inventory."""

from sandbox.salesforce.org.ids import PREFIXES
from sandbox.salesforce.schema.fields import Field, SObject, address, area, check, fields_of, pick, ref, system, text

ORDER_STATUSES = {
    "Pending Review": "Draft",
    "Approved": "Draft",
    "Reactivate": "Draft",
    "Processed": "Draft",
    "Cancelled": "Draft",
    "Rejected": "Draft",
    "Draft": "Draft",
    "Activated": "Activated",
}
"""Order.Status → its category. The company stays in the draft category; the last two are the vendor's own."""

PRODUCT = SObject(
    "Product2",
    "Product",
    PREFIXES["Product2"],
    (
        text("Name", required=True),
        text("ProductCode"),
        area("Description", 4_000),
        check("IsActive"),
        pick("Family", "Internet", "SIM", "VPN", "Hosting"),
        pick("QuantityUnitOfMeasure", "Each"),
        text("StockKeepingUnit", 180),
        Field("DisplayUrl", "url"),
        text("ExternalId"),
        Field("IsArchived", "boolean", default=False, writable=False),
        pick("Product2Categories1__c", "Internet", "SIM", "VPN", "Hosting", "Other"),
        check("Portal_Catalog__c"),
        check("Portal_Accessible__c"),
        check("Portal_Instant__c"),
        pick("Item_Class__c", "Service", "Installation", "Add-on", "Activation"),
        pick("Billing_Cycle__c", "Monthly", "Onetime"),
        Field("WH_Product_ID__c", "double"),
        text("WH_Product_Name__c"),
        check("Is_Default__c"),
        Field("Display_Order__c", "double"),
        check("Auto_Add__c"),
        *(area(name, 4_000) for name in ("Required_Products__c", "Dependent_Products__c", "Mutually_Exclusive__c")),
        pick("VPN_Region__c", "USA-SF", "UK-London", "Global"),
        pick("Internet_Plan_Tier__c", "Silver", "Gold", "Platinum"),
        pick("Internet_Offering_Type__c", "Home 1G", "Home 10G", "Apartment 1G", "Apartment 100M"),
        Field("Internet_Monthly_Price__c", "currency"),
        text("Internet_Region__c"),
        text("Eligibility_Condition__c"),
        text("SIM_Data_Size__c", 40),
        pick("SIM_Plan_Type__c", "DataOnly", "DataSmsVoice", "VoiceOnly"),
        check("SIM_Has_Family_Discount__c"),
        text("SIM_Plan_Code__c", 40),
        text("Provision_Template__c", 80),
        *system(owner=False),
    ),
    children={"PricebookEntries": ("PricebookEntry", "Product2Id")},
)

PRICEBOOK = SObject(
    "Pricebook2",
    "Price Book",
    PREFIXES["Pricebook2"],
    (
        text("Name", required=True),
        check("IsActive"),
        Field("IsStandard", "boolean", default=False, writable=False),
        text("Description"),
        Field("IsArchived", "boolean", default=False, writable=False),
        *system(owner=False),
    ),
    children={"PricebookEntries": ("PricebookEntry", "Pricebook2Id")},
)

PRICEBOOK_ENTRY = SObject(
    "PricebookEntry",
    "Price Book Entry",
    PREFIXES["PricebookEntry"],
    (
        text("Name", writable=False),
        ref("Pricebook2Id", "Pricebook2", required=True, create_only=True),
        ref("Product2Id", "Product2", required=True, create_only=True),
        Field("UnitPrice", "currency"),
        check("IsActive"),
        check("UseStandardPrice"),
        pick("CurrencyIsoCode", "JPY", "USD", "KWD", default="JPY", restricted=True),
        text("ProductCode", writable=False),
        *system(owner=False),
    ),
)

_ACTIVATION = (
    pick("Order_Type__c", "Internet", "SIM", "VPN", "Hosting", "Other"),
    check("Address_Changed__c"),
    pick("Activation_Type__c", "Immediate", "Scheduled"),
    Field("Activation_Scheduled_At__c", "datetime"),
    pick("Activation_Status__c", "Created", "Activating", "Activated", "Failed", restricted=True),
    text("Activation_Error_Code__c", 60),
    text("Activation_Error_Message__c"),
    Field("Activation_Last_Attempt_At__c", "datetime"),
    text("WHMCS_Order_ID__c", 40),
    text("Billing_Currency__c", 3),
    check("Billing_Tax_Included__c"),
)

_CHOICES = (
    pick("Internet_Plan_Tier__c", "Silver", "Gold", "Platinum"),
    pick("Installation_Type__c", "Single", "12-Month", "24-Month"),
    check("Weekend_Install__c"),
    pick("Access_Mode__c", "IPoE own router", "IPoE home gateway", "IPoE-BYOR", "IPoE-HGW", "PPPoE"),
    check("Hikari_Denwa__c"),
    pick("VPN_Region__c", "USA-SF", "UK-London", "Global"),
    pick("SIM_Type__c", "Physical SIM", "eSIM", restricted=True),
    text("EID__c", 32),
    check("SIM_Voice_Mail__c"),
    check("SIM_Call_Waiting__c"),
    text("Domain__c"),
    text("Promo_Code__c", 50),
    check("Portal_Instant__c"),
)

_PORTING = (
    check("MNP_Application__c"),
    text("MNP_Reservation_Number__c", 10),
    Field("MNP_Expiry_Date__c", "date"),
    text("MNP_Phone_Number__c", 20),
    text("MVNO_Account_Number__c", 40),
    *(text(f"Porting_{name}__c", 80) for name in ("LastName", "FirstName", "LastName_Katakana", "FirstName_Katakana")),
    pick("Porting_Gender__c", "Male", "Female", "Corporate/Other"),
    Field("Porting_DateOfBirth__c", "date"),
)

ORDER = SObject(
    "Order",
    "Order",
    PREFIXES["Order"],
    (
        ref("ContractId", "Contract"),
        ref("AccountId", "Account", required=True),
        ref("Pricebook2Id", "Pricebook2"),
        ref("OriginalOrderId", "Order"),
        ref("OpportunityId", "Opportunity"),
        Field("EffectiveDate", "date", required=True),
        Field("EndDate", "date"),
        check("IsReductionOrder"),
        pick("Status", *ORDER_STATUSES, required=True, restricted=True),
        area("Description"),
        ref("CustomerAuthorizedById", "Contact"),
        ref("CompanyAuthorizedById", "User"),
        pick("Type"),
        *address("BillingAddress"),
        *address("ShippingAddress"),
        text("Name", 80),
        Field("PoDate", "date"),
        text("PoNumber", 80),
        text("OrderReferenceNumber", 80),
        ref("BillToContactId", "Contact"),
        ref("ShipToContactId", "Contact"),
        Field("ActivatedDate", "datetime", writable=False),
        ref("ActivatedById", "User", writable=False),
        pick("StatusCode", "Draft", "Activated", writable=False),
        text("OrderNumber", 30, writable=False),
        Field("TotalAmount", "currency", default=0.0, writable=False),
        text("Portal_Order_Key__c", external_id=True),
        *_ACTIVATION,
        *_CHOICES,
        *_PORTING,
        *system(),
    ),
    children={"OrderItems": ("OrderItem", "OrderId")},
    cascades=("OrderItems",),
)

ORDER_ITEM = SObject(
    "OrderItem",
    "Order Product",
    PREFIXES["OrderItem"],
    (
        ref("Product2Id", "Product2"),
        ref("OrderId", "Order", required=True, create_only=True),
        ref("PricebookEntryId", "PricebookEntry", create_only=True),
        ref("OriginalOrderItemId", "OrderItem"),
        Field("AvailableQuantity", "double", writable=False),
        Field("Quantity", "double", required=True),
        Field("UnitPrice", "currency"),
        Field("ListPrice", "currency", writable=False),
        Field("TotalPrice", "currency", writable=False),
        *fields_of("date", "ServiceDate", "EndDate"),
        text("Description"),
        text("OrderItemNumber", 30, writable=False),
        pick("Billing_Cycle__c", "Monthly", "Onetime"),
        text("WHMCS_Service_ID__c", 40),
        Field("Billed_Price__c", "double"),
        Field("Billed_Setup_Fee__c", "double"),
        *system(owner=False),
    ),
)

ASSET = SObject(
    "Asset",
    "Asset",
    PREFIXES["Asset"],
    (
        text("Name", required=True),
        ref("AccountId", "Account"),
        ref("ContactId", "Contact"),
        ref("Product2Id", "Product2"),
        ref("ParentId", "Asset"),
        text("SerialNumber", 80),
        pick("Status", "Shipped", "Installed", "Registered", "Obsolete", "Purchased"),
        Field("Quantity", "double"),
        Field("Price", "currency"),
        *fields_of("date", "PurchaseDate", "InstallDate", "UsageEndDate"),
        area("Description"),
        check("IsCompetitorProduct"),
        *system(),
    ),
)

SIM_INVENTORY = SObject(
    "SIM_Inventory__c",
    "SIM Inventory",
    PREFIXES["SIM_Inventory__c"],
    (
        text("Name", 80),
        text("Phone_Number__c", 20),
        text("PT_Number__c", 40),
        text("OEM_ID__c", 40),
        pick("Status__c", "Available", "Reserved", "Assigned", "Retired", restricted=True, default="Available"),
        ref("Assigned_Account__c", "Account"),
        ref("Assigned_Order__c", "Order"),
        *system(),
    ),
)

OBJECTS = (PRODUCT, PRICEBOOK, PRICEBOOK_ENTRY, ORDER, ORDER_ITEM, ASSET, SIM_INVENTORY)
