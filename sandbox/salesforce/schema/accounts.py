"""Account, Contact, User, Opportunity, Case and what hangs on them."""

from sandbox.salesforce.org.ids import PREFIXES
from sandbox.salesforce.schema.fields import Field, SObject, address, area, check, phone, pick, ref, system, text

ELIGIBILITY_FIELDS = (
    "Internet_Eligibility__c",
    "Internet_Eligibility_Status__c",
    "Internet_Eligibility_Checked_Date__c",
    "Internet_Eligibility_Notes__c",
    "Id_Verification_Status__c",
)
"""The Account fields whose change by staff is announced by the platform event."""

_ELIGIBILITY = (
    text("Internet_Eligibility__c"),
    pick("Internet_Eligibility_Status__c", "Not Requested", "Pending", "Eligible", "Not Available"),
    Field("Internet_Eligibility_Request_Date__c", "datetime"),
    Field("Internet_Eligibility_Checked_Date__c", "datetime"),
    area("Internet_Eligibility_Notes__c"),
    text("Internet_Eligibility_Case_Id__c", 18),
    text("Internet_Eligibility_Address__c"),
    pick("Id_Verification_Status__c", "Not Submitted", "Submitted", "Verified", "Rejected"),
    Field("Id_Verification_Submitted_Date__c", "datetime"),
    Field("Id_Verification_Verified_Date__c", "datetime"),
    area("Id_Verification_Note__c"),
    area("Id_Verification_Rejection_Message__c"),
)

ACCOUNT = SObject(
    "Account",
    "Account",
    PREFIXES["Account"],
    (
        text("Name", required=True),
        pick("Type", "Customer", "Prospect", "Other"),
        ref("ParentId", "Account"),
        *address("BillingAddress"),
        *address("ShippingAddress"),
        *(phone(name) for name in ("Phone", "Fax")),
        text("AccountNumber", 40),
        Field("Website", "url"),
        pick("Industry", "Technology", "Telecommunications", "Other"),
        Field("AnnualRevenue", "currency"),
        Field("NumberOfEmployees", "int"),
        area("Description"),
        pick("AccountSource", "Web", "Phone", "Other"),
        text("SF_Account_No__c", 40, external_id=True),
        text("WH_Account__c"),
        text("Portal_Canary__c", 32),
        Field("MasterRecordId", "id", length=18, writable=False, in_events=False),
        pick("Portal_Status__c", "Not Yet", "Active", restricted=True),
        pick("Portal_Registration_Source__c", "New Signup", "Migrated", restricted=True),
        Field("Portal_Last_SignIn__c", "datetime"),
        *_ELIGIBILITY,
        *system(),
    ),
    children={
        "Contacts": ("Contact", "AccountId"),
        "Orders": ("Order", "AccountId"),
        "Opportunities": ("Opportunity", "AccountId"),
        "Cases": ("Case", "AccountId"),
        "Assets": ("Asset", "AccountId"),
    },
    cascades=("Contacts", "Orders", "Opportunities"),
)

CONTACT = SObject(
    "Contact",
    "Contact",
    PREFIXES["Contact"],
    (
        pick("Salutation", "Mr.", "Ms.", "Mrs.", "Dr."),
        text("FirstName", 40),
        text("LastName", 80, required=True),
        text("Name", 121, writable=False),
        ref("AccountId", "Account"),
        Field("Email", "email", length=80),
        *(phone(name) for name in ("Phone", "MobilePhone", "HomePhone")),
        text("Title", 128),
        text("Department", 80),
        *address("MailingAddress"),
        Field("Birthdate", "date"),
        check("HasOptedOutOfEmail"),
        check("DoNotCall"),
        ref("ReportsToId", "Contact"),
        pick("LeadSource", "Web", "Phone", "Other"),
        *system(),
    ),
    children={"Cases": ("Case", "ContactId")},
)

USER = SObject(
    "User",
    "User",
    PREFIXES["User"],
    (
        text("Username", 80, required=True),
        text("FirstName", 40),
        text("LastName", 80, required=True),
        text("Name", 121, writable=False),
        Field("Email", "email", length=128),
        check("IsActive"),
        *system(owner=False),
    ),
)

OPPORTUNITY = SObject(
    "Opportunity",
    "Opportunity",
    PREFIXES["Opportunity"],
    (
        text("Name", 120, required=True),
        ref("AccountId", "Account"),
        pick("StageName", "Introduction", "Ready", "Closed Won", "Closed Lost", required=True),
        Field("CloseDate", "date", required=True),
        Field("Amount", "currency"),
        area("Description"),
        pick("LeadSource", "Web", "Phone", "Other"),
        ref("Pricebook2Id", "Pricebook2"),
        Field("IsClosed", "boolean", default=False, writable=False),
        pick("Opportunity_Source__c", "Portal", "Phone"),
        text("WHMCS_Service_ID__c", 40),
        *system(),
    ),
    children={"Cases": ("Case", "Opportunity__c")},
)

CASE = SObject(
    "Case",
    "Case",
    PREFIXES["Case"],
    (
        text("CaseNumber", 30, writable=False),
        ref("AccountId", "Account"),
        ref("ContactId", "Contact"),
        ref("AssetId", "Asset"),
        ref("ParentId", "Case"),
        ref("Opportunity__c", "Opportunity"),
        text("Subject"),
        area("Description"),
        pick("Status", "New", "Working", "Escalated", "Closed", default="New"),
        pick("Origin", "Phone", "Email", "Web", "Portal Website"),
        pick("Priority", "High", "Medium", "Low", default="Medium"),
        *(pick(name) for name in ("Type", "Reason")),
        Field("IsClosed", "boolean", default=False, writable=False),
        Field("ClosedDate", "datetime", writable=False),
        text("SuppliedName", 80),
        Field("SuppliedEmail", "email", length=80),
        text("SuppliedPhone", 40),
        text("SuppliedCompany", 80),
        Field("ContactEmail", "email", writable=False),
        Field("ContactPhone", "phone", writable=False),
        Field("Comments", "textarea", length=4_000, in_bytes=True),
        text("Portal_Case_Key__c", 64, external_id=True),
        *system(),
    ),
    children={
        "CaseComments": ("CaseComment", "ParentId"),
        "ContentDocumentLinks": ("ContentDocumentLink", "LinkedEntityId"),
    },
    cascades=("CaseComments", "ContentDocumentLinks"),
)

CASE_COMMENT = SObject(
    "CaseComment",
    "Case Comment",
    PREFIXES["CaseComment"],
    (
        ref("ParentId", "Case", required=True, create_only=True),
        Field("CommentBody", "textarea", length=4_000, in_bytes=True),
        check("IsPublished"),
        *system(owner=False),
    ),
)

OBJECTS = (ACCOUNT, CONTACT, USER, OPPORTUNITY, CASE, CASE_COMMENT)
