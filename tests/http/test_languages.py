"""Answers in the reader's language: what is asked for, else the customer's own; each with a validator of its own."""

from typing import Any

import asyncpg
import httpx
import pytest

from app.cache.lease import heard_everywhere
from tests.fixtures.changes import CLIENT, change
from tests.http.fast.test_path import hana, invoice
from tests.projections.conftest import feed

__all__ = ["feed", "hana"]

JA, EN = {"accept-language": "ja"}, {"accept-language": "en"}
ODD = ["*", "ja;q=0", "ja;q=nothing", ";;;,,,", "\xe3\x81", "x" * 6_000, "ja," * 1_800, "de-CH, fr;q=0.9", "-", "ja_JP"]
RETRYING = {
    "invoice_id": "77",
    "status": "trying",
    "attempts": 1,
    "max_attempts": 3,
    "next_attempt_at": "2026-01-18T00:00:00+00:00",
    "next_attempt_on": "2026-01-18",
    "suspend_on": "2026-02-10",
    "decline_code": "insufficient_funds",
}


def is_japanese(text: str) -> bool:
    return any("\u3040" <= each <= "\u9fff" for each in text)


async def speaks(feed: Any, language: str, at: int) -> None:
    """Let the customer's language in WHMCS be this one."""
    await feed(
        [change("whmcs", "client", "client-hana", {**CLIENT, "language": language}, at=at, owner_id="client-hana")]
    )
    await heard_everywhere()


async def test_a_problem_is_in_the_language_that_is_asked_for(api: httpx.AsyncClient) -> None:
    for headers, detail in ((JA, "ログインしてください。"), (EN, "Please log in."), ({}, "Please log in.")):
        answer = await api.get("/api/orders", headers=headers)
        problem = answer.json()
        assert (problem["detail"], problem["code"]) == (detail, "not_authenticated")
        assert answer.headers["content-language"] == headers.get("accept-language", "en")
        assert "accept-language" in answer.headers["vary"].lower()
        assert problem["detail_phrases"] == [{"code": "problems.not_authenticated", "params": {}}]
        assert is_japanese(problem["title"]) == (headers == JA)


async def test_every_fault_of_shape_is_named_at_once_with_rule_and_parameters(api: httpx.AsyncClient) -> None:
    body = {"email": "hana", "password": 5, "unknown": None}
    answer = await api.post("/api/auth/login", json=body, headers=JA)
    found = {each["field"]: each for each in answer.json()["errors"]}
    assert {name: each["rule"] for name, each in found.items()} == {
        "email": "invalid_format",
        "password": "invalid_format",
        "unknown": "invalid",
    }
    wrong = found["password"]
    assert (wrong["message"], wrong["params"]) == ("文字列で指定してください。", {"expected": ["text"]})
    assert (wrong["pointer"], wrong["code"]) == ("/password", "wrong_type")
    assert all(is_japanese(each["message"]) and each["message_phrases"] for each in found.values())
    missing = (await api.post("/api/auth/login", json={"email": "a@b.jp", "code": "x" * 500})).json()["errors"]
    assert {each["field"]: each["rule"] for each in missing} == {"password": "required", "code": "too_long"}


async def test_every_wrong_parameter_is_named_at_once(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    wrong = {"limit": "0", "area": "nowhere"}
    answer = await api.get("/api/account/timeline", params=wrong, headers={**hana, **JA})
    found = {each["field"]: each for each in answer.json()["errors"]}
    assert {name: (each["code"], each["rule"]) for name, each in found.items()} == {
        "limit": ("invalid_parameter", "invalid"),
        "area": ("invalid_parameter", "not_one_of"),
    }
    assert found["limit"]["params"] == {"least": 1}
    assert found["area"]["params"] == {"choices": ["orders", "billing", "services", "cases"]}
    assert found["limit"]["message"] == "1以上の値を入力してください。"


@pytest.mark.parametrize("header", ODD)
async def test_odd_headers_never_fail(api: httpx.AsyncClient, hana: dict[str, str], header: str) -> None:
    for path, status in (("/api/account/profile", 200), ("/api/orders", 200), ("/api/nothing", 404)):
        lines = [(b"accept-language", header.encode("latin-1")), (b"authorization", hana["authorization"].encode())]
        answer = await api.get(path, headers=lines)
        assert answer.status_code == status
        assert answer.headers["content-language"] in ("en", "ja")


async def test_a_header_of_ten_kilobytes_is_too_large_at_most(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    answer = await api.get("/api/orders", headers={**hana, "accept-language": "ja, " + "x" * 10_000})
    assert answer.status_code in (200, 431)


async def test_the_customers_own_language_counts_where_none_is_asked_for(
    api: httpx.AsyncClient, hana: dict[str, str], feed: Any
) -> None:
    for at, (name, language) in enumerate((("japanese", "ja"), ("english", "en"), ("klingon", None)), 1):
        await speaks(feed, name, at)
        for path in ("/api/account/profile", "/api/account/profile", "/api/account/profile?"):
            answer = await api.get(path, headers=hana)
            assert answer.json()["language"] == language
            assert answer.headers["content-language"] == (language or "en")
        problem = (await api.get("/api/orders/none", headers=hana)).json()
        assert is_japanese(problem["detail"]) == (language == "ja")
        asked = await api.get("/api/account/profile", headers={**hana, **EN})
        assert asked.headers["content-language"] == "en"


@pytest.mark.parametrize("path", ["/api/orders", "/api/invoices", "/api/account/notifications", "/api/account/profile"])
async def test_every_language_has_an_answer_and_a_validator_of_its_own(
    api: httpx.AsyncClient, hana: dict[str, str], path: str
) -> None:
    answers = [await api.get(path, headers={**hana, **each}) for each in (EN, JA, EN, JA)]
    tags = [each.headers["etag"] for each in answers]
    assert (tags[0], tags[1]) == (tags[2], tags[3])
    assert tags[0] != tags[1]
    assert [each.headers["content-language"] for each in answers] == ["en", "ja", "en", "ja"]
    assert all("accept-language" in each.headers["vary"].lower() for each in answers)
    for each, tag, other in ((EN, tags[0], tags[1]), (JA, tags[1], tags[0])):
        for form in (path, f"{path}?"):  # the second is never answered by the fast path
            held = await api.get(form, headers={**hana, **each, "if-none-match": tag})
            assert held.status_code == 304
            plain = {"accept-encoding": "identity", "if-none-match": other}
            changed = await api.get(form, headers={**hana, **each, **plain})
            assert (changed.status_code, changed.headers["etag"]) == (200, tag)
            assert changed.json()


async def test_what_read_models_say_is_in_the_language(
    api: httpx.AsyncClient, hana: dict[str, str], feed: Any, pool: asyncpg.Pool
) -> None:
    dunning = change("whmcs", "dunning", "77", RETRYING, at=1, parent_id="77", owner_id="client-hana")
    await feed([invoice(77, at=1, invoicenum="INV-77"), dunning])
    await pool.execute("UPDATE portal.id_mappings SET linked_at = '2020-01-01'")
    await heard_everywhere()

    async def read(path: str, language: dict[str, str]) -> Any:
        return (await api.get(path, headers={**hana, **language})).json()

    invoice_in = {"en": await read("/api/invoices/77", EN), "ja": await read("/api/invoices/77", JA)}
    english, japanese = (each["dunning"] for each in invoice_in.values())
    assert "We try again on January 18, 2026 (attempt 2 of 3)." in english["text"]
    assert "2026年1月18日にもう一度ご請求します（3回中2回目）。" in japanese["text"]
    assert english["text_phrases"] == japanese["text_phrases"]
    again = next(each for each in japanese["text_phrases"] if each["code"] == "dunning.again_on")
    assert again["params"] == {"on": "2026-01-18", "attempt": 2, "most": 3}
    assert is_japanese(japanese["decline"]["text"])
    [order] = (await read("/api/orders", JA))["items"]
    assert order["status_text"] == "ご注文を受け付けました。内容を確認しております。"
    whole = await read(f"/api/orders/{order['order_id']}", JA)
    assert all(is_japanese(each["text"]) and each["text_phrases"] for each in whole["timeline"])
    for path in ("/api/account/timeline?limit=100", "/api/account/notifications?limit=100"):
        items = (await read(path, JA))["items"]
        assert items
        assert all(is_japanese(each["text"]) and each["text_phrases"] for each in items), path
    issued = next(each for each in items if each["kind"] == "invoice_issued" and each["invoice_id"] == "77")
    assert issued["text"] == "請求書INV-77（1,628円）を発行しました。お支払い期限は2026年1月15日です。"
    tasks = (await read("/api/account/summary", JA))["tasks"]
    assert tasks
    assert all(is_japanese(each["text"]) for each in tasks)


async def test_answers_without_sentences_do_not_vary_by_language(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    answer = await api.get("/api/public/services", headers=JA)
    assert "content-language" not in answer.headers
    assert "accept-language" not in answer.headers["vary"].lower()
