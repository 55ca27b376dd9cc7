"""The export: everything of the customer, nothing of anybody else's, no secret."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from app.errors import NotFound
from app.personal_data import subject as subjects
from app.personal_data.export import export
from app.personal_data.subject import Subject
from app.resources import Resources
from tests.personal_data.conftest import OPERATOR


async def test_the_archive_holds_everything_and_no_secret(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any, tmp_path: Path
) -> None:
    told: list[tuple[str, int, int]] = []
    file = tmp_path / "customer.zip"
    counts = await export(resources.pool, subject, OPERATOR, file, lambda *step: told.append(step))
    assert file.stat().st_mode & 0o077 == 0
    assert told[-1][1:] == (len(counts), len(counts))
    with zipfile.ZipFile(file) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    found = {name: json.loads(text) for name, text in texts.items()}
    assert found["manifest.json"]["rows"] == counts
    assert found["manifest.json"]["subject"]["whmcs_client_id"] == person["whmcs_client_id"]
    invoices = (await sandbox.control.get("/whmcs/invoices", params={"userid": person["whmcs_client_id"]})).json()
    assert len(found["read_model/invoices.json"]) == invoices["total"] > 0
    assert found["portal/users.json"][0]["email"] == person["email"]
    assert found["portal/sessions.json"][0]["address"] == "203.0.113.7"
    objects = {(each["source"], each["object"]) for each in found["mirror/records.json"]}
    assert {("whmcs", "client"), ("whmcs", "invoice"), ("salesforce", "Order")} <= objects
    assert found["read_model/profiles.json"][0]["document"]["last_name"] == person["last_name"]
    assert not any(word in text for text in texts.values() for word in ('"password_hash"', '"token_hash"', '"secret"'))
    others = [each for each in sandbox.state["customers"] if each["email"] != person["email"]]
    assert not any(each["email"] in text for text in texts.values() for each in others)
    assert await resources.pool.fetchval("SELECT target FROM portal.audit WHERE action = 'customer.export'") == str(
        subject.account_id
    )


async def test_who_is_no_customer_is_named_so(resources: Resources) -> None:
    with pytest.raises(NotFound, match="No customer logs in with this address"):
        await subjects.find(resources.pool, "nobody@example.jp")
