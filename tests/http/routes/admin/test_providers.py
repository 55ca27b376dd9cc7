"""Operators and providers over HTTP: differences are listed, and a repair leaves a trace."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from tests.http.routes.admin.test_subscriptions import operator
from tests.http.routes.test_subscriptions import api, owner_of, worker

__all__ = ["api", "operator", "worker"]

_PROVIDED = """
INSERT INTO portal.provided_services (subscription_id, account_id, order_id, provider, account_name, state, seen)
SELECT s.subscription_id, s.account_id, 'o1', 'whm', 'cabc1234', 'settled', s.upstream_status || '/' || s.product_id
FROM read_model.subscriptions s WHERE s.subscription_id = $1
"""


async def test_drift_is_listed_and_repaired(
    api: httpx.AsyncClient, sandbox: Any, worker: None, operator: dict[str, str], pool: asyncpg.Pool
) -> None:
    _, service_id = await owner_of(api, sandbox, "Hosting")
    await pool.execute(_PROVIDED, service_id)
    listed = (await api.get("/api/admin/providers/drift", headers=operator)).json()
    assert (listed["compared"], [each["kind"] for each in listed["items"]]) == (1, ["unverified"])
    nobody = await api.get("/api/admin/providers/drift", params={"account_id": str(uuid4())}, headers=operator)
    assert nobody.json() == {"compared": 0, "items": []}
    shown = await api.get(f"/api/admin/providers/{service_id}", headers=operator)
    assert (shown.status_code, shown.json()["state"]) == (200, "settled")
    body = {"subscription_ids": [service_id, "99999999"]}
    done = await api.post("/api/admin/providers/repair", json=body, headers=operator)
    assert (done.status_code, done.json()) == (200, {"repaired": [service_id]})
    actions = await pool.fetch("SELECT target FROM portal.audit WHERE action = 'provider.repair'")
    assert [row["target"] for row in actions] == [service_id]


async def test_what_was_not_provisioned_and_who_is_no_operator_are_refused(
    api: httpx.AsyncClient, sandbox: Any, worker: None, operator: dict[str, str]
) -> None:
    customer, service_id = await owner_of(api, sandbox, "Hosting")
    absent = await api.get(f"/api/admin/providers/{service_id}", headers=operator)
    assert (absent.status_code, absent.json()["code"]) == (404, "service_not_provisioned")
    for path in ("drift", service_id):
        assert (await api.get(f"/api/admin/providers/{path}", headers=customer)).status_code == 403
    none = await api.post("/api/admin/providers/repair", json={"subscription_ids": []}, headers=operator)
    assert none.status_code == 400
