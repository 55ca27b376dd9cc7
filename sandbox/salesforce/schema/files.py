"""Files: a document, its versions, and the records it is shown with."""

from sandbox.salesforce.org.ids import PREFIXES
from sandbox.salesforce.schema.fields import Field, SObject, pick, ref, system, text

DOCUMENT = SObject(
    "ContentDocument",
    "Content Document",
    PREFIXES["ContentDocument"],
    (
        text("Title"),
        text("FileExtension", 40, writable=False),
        text("FileType", 20, writable=False),
        Field("ContentSize", "int", writable=False),
        ref("LatestPublishedVersionId", "ContentVersion", writable=False),
        *system(),
    ),
    children={"ContentDocumentLinks": ("ContentDocumentLink", "ContentDocumentId")},
    cascades=("ContentDocumentLinks",),
)

VERSION = SObject(
    "ContentVersion",
    "Content Version",
    PREFIXES["ContentVersion"],
    (
        ref("ContentDocumentId", "ContentDocument", create_only=True),
        text("Title"),
        text("PathOnClient", 500, required=True),
        Field("VersionData", "base64"),
        ref("FirstPublishLocationId", "Case", create_only=True),
        text("Checksum", 50, writable=False),
        Field("ContentSize", "int", writable=False),
        text("FileExtension", 40, writable=False),
        *system(),
    ),
)

LINK = SObject(
    "ContentDocumentLink",
    "Content Document Link",
    PREFIXES["ContentDocumentLink"],
    (
        ref("ContentDocumentId", "ContentDocument", required=True, create_only=True),
        ref("LinkedEntityId", "Case", required=True, create_only=True),
        pick("ShareType", "V", "C", "I", default="V"),
        pick("Visibility", "AllUsers", "InternalUsers", "SharedUsers", default="InternalUsers", restricted=True),
        *system(owner=False),
    ),
)

OBJECTS = (DOCUMENT, VERSION, LINK)
