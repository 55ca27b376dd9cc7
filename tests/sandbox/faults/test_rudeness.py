"""Faults at random: as often as asked, of the kinds asked for, and the same again for the same seed."""

from typing import Any

import httpx
import pytest

from sandbox.faults.rudeness import parse
from sandbox.faults.scripted import CALLS, WEBHOOKS
from tests.sandbox.conftest import Receiver, Whmcs


def rude(control: httpx.Client, **wishes: Any) -> dict[str, Any]:
    response = control.post("/rudeness", json=wishes)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown


def drawn(seed: int, calls: int = 400, **wishes: Any) -> list[list[str]]:
    chance = parse({"rate": 0.05, "seed": seed, **wishes})
    return [[each.kind + each.how for each in chance.met("whmcs", "GetInvoices", CALLS)] for _ in range(calls)]


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert drawn(7) == drawn(7)
    assert drawn(7) != drawn(8)


def test_what_one_operation_meets_does_not_depend_on_others() -> None:
    chance = parse({"rate": 0.5, "seed": 7, "kinds": ["status"]})
    mixed = []
    for _ in range(50):
        chance.met("whmcs", "GetClients", CALLS)
        mixed.append([each.kind + each.how for each in chance.met("whmcs", "GetInvoices", CALLS)])
        chance.met("freebit", "mvno/getDetail", CALLS)
    assert mixed == drawn(7, 50, rate=0.5, kinds=["status"])


def test_each_kind_comes_at_the_rate_asked_for() -> None:
    faults = [name for call in drawn(3, 20_000, rate=0.01) for name in call]
    for kind in ("latency", "reset", "rewritenul", "drip"):
        assert 140 < faults.count(kind) < 260
    assert "down" not in faults


def test_nothing_happens_without_it_and_nothing_after_it(whmcs: Whmcs, control: httpx.Client) -> None:
    rude(control, rate=1.0, kinds=["status"], seed=1)
    assert whmcs.ask("WhmcsDetails").status_code >= 400
    shown = control.request("DELETE", "/rudeness").json()
    assert shown["met"] == {"whmcs/status": 1}
    assert whmcs.ask("WhmcsDetails").status_code == 200
    assert control.get("/rudeness").json()["rate"] == 0


def test_only_the_upstreams_named_are_rude(whmcs: Whmcs, control: httpx.Client) -> None:
    rude(control, rate=1.0, kinds=["reset"], upstreams=["salesforce"])
    assert whmcs.ask("WhmcsDetails").status_code == 200


def test_webhooks_meet_it_too(control: httpx.Client, receiver: Receiver) -> None:
    rude(control, rate=1.0, kinds=["duplicate_webhook"], seed=1)
    control.patch("/whmcs/clients/1001", json={"city": "Nara"})
    receiver.wait(2)
    assert set(WEBHOOKS) <= set(rude(control)["kinds"])


def test_rewrite_alone_means_every_rewrite(control: httpx.Client) -> None:
    kinds = rude(control, kinds=["rewrite"])["kinds"]
    assert "rewrite:nul" in kinds
    assert all(each.startswith("rewrite:") for each in kinds)


@pytest.mark.parametrize(
    "wishes",
    [{"rate": 2}, {"kinds": ["meteor"]}, {"kinds": []}, {"seed": "x"}, {"colour": "red"}, {"upstreams": ["m"]}],
)
def test_rudeness_that_does_not_exist_is_refused(control: httpx.Client, wishes: dict[str, Any]) -> None:
    response = control.post("/rudeness", json=wishes)
    assert response.status_code == 422
    assert response.json()["error"].endswith(".")


def test_a_reset_makes_it_polite_again(control: httpx.Client) -> None:
    rude(control, rate=1.0, kinds=["status"])
    control.post("/reset").raise_for_status()
    assert control.get("/rudeness").json()["rate"] == 0
