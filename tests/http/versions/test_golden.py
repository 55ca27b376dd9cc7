"""What each registered version answered to a fixed account on the day of its release, it still answers.

`RECORD_ANSWERS=1` writes the file of a version that has none; one that is written is never written again.
"""

import json
import os
from copy import deepcopy
from typing import Any

import httpx
import msgspec
import pytest

from app.http.versions.registry import VERSIONS
from app.settings import Settings
from tests.http.conftest import served
from tests.http.fast.test_path import hana
from tests.http.versions.golden import ANSWERS, answers, lost, reads, recorded
from tests.projections.conftest import feed

__all__ = ["feed", "hana"]

NAMES = [each.name for each in VERSIONS]


@pytest.fixture
async def patient(running: Any, settings: Settings) -> Any:
    rates = dict.fromkeys(("public_rate_per_minute", "account_rate_per_minute"), 100_000)
    async with served(msgspec.structs.replace(settings, **rates, read_deadline_seconds=60)) as (_, client):
        yield client


@pytest.mark.parametrize("version", NAMES)
async def test_what_a_version_answered_it_still_answers(
    patient: httpx.AsyncClient, hana: dict[str, str], version: str
) -> None:
    if os.environ.get("RECORD_ANSWERS") and not (ANSWERS / f"{version}.json").exists():
        first = await answers(patient, hana, version, Prefer="wait=0")
        (ANSWERS / f"{version}.json").write_text(json.dumps(first, indent=1, ensure_ascii=False) + "\n")
    kept = recorded(version)
    for more in ({"Prefer": "wait=0"}, {}, {}):  # the ordinary route, and the fast path
        now = await answers(patient, hana, version, **more)
        assert lost(kept, now, version) == []
        assert {name: each["status"] for name, each in kept.items()} == {name: now[name]["status"] for name in kept}


def test_every_version_has_recorded_answers_of_every_read() -> None:
    assert {path.stem for path in ANSWERS.glob("*.json")} >= set(NAMES)
    kept = recorded(NAMES[-1])
    assert len(kept) >= 24
    assert len(reads()) >= 20
    assert [name for name, each in kept.items() if each["status"] == 200 and not each["body"]] == []


def test_each_loss_is_found() -> None:
    was = {"items": [{"id": "1", "total": {"amount": "1"}, "tax": None}], "stale": False}
    assert lost(was, {**deepcopy(was), "more": 1}, "a") == []
    assert lost(was, {**was, "items": [{**was["items"][0], "tax": "1"}]}, "a") == []  # type: ignore[index]
    assert lost(was, {"items": was["items"]}, "a") == ["a.stale is gone"]
    assert lost(was, {**was, "items": []}, "a") == ["a.items had 1 items and has 0"]
    changed = {**was, "items": [{"id": 1, "total": None, "tax": None}]}
    assert lost(was, changed, "a") == [
        "a.items[0].id was string and is number",
        "a.items[0].total was object and is null",
    ]
    assert lost(was, {**was, "stale": "no"}, "a") == ["a.stale was boolean and is string"]
