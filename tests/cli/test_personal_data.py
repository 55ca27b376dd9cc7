"""`portal export-customer` and `portal erase-customer`, as an operator runs them."""

import json
import zipfile
from pathlib import Path
from typing import Any

from app.personal_data.subject import Subject
from app.resources import Resources
from tests.personal_data.conftest import person, resources, subject

__all__ = ["person", "resources", "subject"]


async def test_a_customer_is_exported_and_erased(
    portal: Any, resources: Resources, subject: Subject, tmp_path: Path
) -> None:
    file = tmp_path / "hana.zip"
    exported = portal("export-customer", subject.email.upper(), "--output", str(file))
    assert exported.returncode == 0, exported.stderr
    assert str(file) in exported.stdout
    with zipfile.ZipFile(file) as archive:
        assert "manifest.json" in archive.namelist()
    unconfirmed = portal("erase-customer", subject.email)
    assert (unconfirmed.returncode, "cannot be undone" in unconfirmed.stderr) == (1, True)
    erased = portal("erase-customer", subject.email, "--yes", "--json")
    assert erased.returncode == 0, erased.stderr
    assert json.loads(erased.stdout) == {"erased": str(subject.account_id), "upstream": False}
    again = portal("erase-customer", subject.email, "--yes")
    assert (again.returncode, "was erased on" in again.stderr) == (1, True)
    rows = await resources.pool.fetch("SELECT action FROM portal.audit WHERE action LIKE 'customer.%' ORDER BY id")
    assert [row["action"] for row in rows] == ["customer.export", "customer.erase_begun", "customer.erase"]


def test_an_unknown_address_is_told_what_to_do(portal: Any) -> None:
    for command in (("export-customer", "x@example.jp"), ("erase-customer", "x@example.jp", "--yes")):
        done = portal(*command)
        assert done.returncode == 1
        assert "WHMCS and Salesforce" in done.stderr
