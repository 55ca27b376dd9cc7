"""The org's rules for files: a first version makes a document and links it to the record it is published to."""

import base64
import hashlib

from sandbox.salesforce.org.values import Row
from sandbox.salesforce.org.work import Work
from sandbox.salesforce.rest.errors import dml


def measure_version(work: Work, row: Row) -> None:
    """Size, checksum and extension are the org's own finding."""
    try:
        content = base64.b64decode(row.get("VersionData") or "", validate=True)
    except ValueError:
        raise dml("JSON_PARSER_ERROR", "VersionData is not base64", "VersionData") from None
    if not content:
        raise dml("FIELD_INTEGRITY_EXCEPTION", "You must specify a file", "VersionData")
    extension = row["PathOnClient"].rpartition(".")[2].lower() if "." in row["PathOnClient"] else None
    row |= {
        "Checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "ContentSize": len(content),
        "FileExtension": extension,
        "Title": row.get("Title") or row["PathOnClient"],
    }


def publish_version(work: Work, row: Row) -> None:
    """Create the document of a new version, and its first link."""
    if row.get("ContentDocumentId"):
        return
    document_id = work.create("ContentDocument", {"Title": row["Title"]})
    found = {name: row[name] for name in ("FileExtension", "ContentSize")}
    work.set_system("ContentDocument", document_id, found | {"LatestPublishedVersionId": row["Id"]})
    work.set_system("ContentVersion", row["Id"], {"ContentDocumentId": document_id})
    if row.get("FirstPublishLocationId"):
        link = {"ContentDocumentId": document_id, "LinkedEntityId": row["FirstPublishLocationId"]}
        work.create("ContentDocumentLink", link)
