"""docs/versions.md has a section for every registered version, which names what each change concerns."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from app.http.reference import versions
from app.http.versions.registry import VERSIONS
from app.http.versions.version import ContractVersion
from tests.http.versions import invented

CHANGELOG = (Path(__file__).parents[3] / "docs" / "versions.md").read_text()


def missing(registered: Sequence[ContractVersion], text: str) -> list[str]:
    """List what is not told: a version without a section, and a change that is not in that of the next version."""
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    found = [each.name for each in registered if each.name not in sections]
    for former, newer in pairwise(registered):
        told = sections.get(newer.name, "")
        found += [each.says for each in former.changes if each.says not in " ".join(told.split())]
    return found


def test_every_registered_version_is_told_with_what_it_changed() -> None:
    assert missing(VERSIONS, CHANGELOG) == []


def test_a_version_or_a_change_that_is_not_told_is_found() -> None:
    assert missing(invented.VERSIONS, CHANGELOG) == [invented.NEWEST, *(each.says for each in invented.CHANGES)]
    told = "\n".join(each.says for each in invented.CHANGES[1:])
    assert missing(invented.VERSIONS, f"{CHANGELOG}\n## {invented.NEWEST}\n{told}") == [invented.CHANGES[0].says]


def test_the_page_has_an_anchor_for_every_version() -> None:
    page = versions.page().decode()
    assert all(f"<h2 id='{each.name}'>" in page for each in VERSIONS)
