"""The answer cache: nothing rendered before a change is served after it, even if the cache version is equal again."""

import ast
import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.cache.lease import Lease
from app.cache.redis_pipeline import RedisPipeline
from app.queries.cache import answer_cache
from app.queries.cache.answer_cache import MOST_EVENT_DRIVEN_SECONDS, MOST_SECONDS, AnswerCache, good_until_of
from app.queries.reading.store import Answer, AnswerSource

NAME = "/api/orders"


@pytest.fixture
def answers(pool: asyncpg.Pool) -> AnswerCache:
    """Without Redis."""
    return AnswerCache(pool, Lease(), RedisPipeline("redis://127.0.0.1:9/0"), 1 << 20)


def rendering(body: bytes, may_answer: asyncio.Event) -> Callable[[], Awaitable[Answer]]:
    async def render() -> Answer:
        await may_answer.wait()
        return Answer(body, '"tag"', datetime.now(UTC))

    return render


async def ask(answers: AnswerCache, owner: UUID, body: bytes, may_answer: asyncio.Event) -> bytes:
    entry = await answers.find(str(owner), NAME, rendering(body, may_answer))
    assert entry is not None
    return entry.body


async def test_all_who_ask_at_once_share_one_rendering(answers: AnswerCache) -> None:
    owner, now = uuid4(), asyncio.Event()
    asking = [asyncio.create_task(ask(answers, owner, b"%d" % number, now)) for number in range(5)]
    await asyncio.sleep(0.05)
    now.set()
    assert await asyncio.gather(*asking) == [b"0"] * 5
    assert (answers.rendered, answers.shared) == (1, 4)


async def test_what_was_rendered_while_something_was_pending_is_not_cached_when_the_version_is_the_same_again(
    answers: AnswerCache,
) -> None:
    owner, later, now = uuid4(), asyncio.Event(), asyncio.Event()
    now.set()
    early = asyncio.create_task(ask(answers, owner, b"with what is pending", later))
    await asyncio.sleep(0.05)
    before = answers.versions.get(str(owner))
    answers.forget(str(owner))  # it came, and went again without a version
    assert await ask(answers, owner, b"without", now) == b"without"
    assert answers.versions.get(str(owner)) == before
    later.set()
    assert await early == b"with what is pending"
    kept = answers.from_memory(str(owner), NAME)
    assert kept is not None
    assert kept.body == b"without"


def test_an_answer_is_kept_no_longer_than_its_bound_and_not_into_another_day() -> None:
    began = 1_000_000 * 900.0 + 100
    noon = datetime.fromtimestamp(began, UTC)

    def until(source: AnswerSource | None, *, at: float = began, stale: bool = False) -> float:
        return good_until_of(Answer(b"{}", "", noon, "past_bound" if stale else None, (source,) if source else ()), at)

    assert until(None) == began + MOST_SECONDS
    assert until(AnswerSource("account_history", "1", noon)) == began + MOST_EVENT_DRIVEN_SECONDS
    assert until(AnswerSource("client_invoices", "1", noon - timedelta(seconds=80))) == began + 10
    assert until(None, stale=True) == 0
    assert until(None, at=began + 790) == began + 800, "a quarter of an hour begins, and somewhere a day"


def imported(file: Path) -> set[Path]:
    """The application's files that a file imports, directly."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    root = answer_cache.APP.parent
    paths = [root.joinpath(*name.split(".")) for name in names if name.split(".")[0] == answer_cache.APP.name]
    return {each for path in paths for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()}


def test_the_code_version_covers_every_module_that_shapes_answers() -> None:
    """Everything that the queries, the read models and the fast path's routes import."""
    app = answer_cache.APP
    waiting = {
        *(app / "queries").rglob("*.py"),
        *(app / "readmodels").rglob("*.py"),
        app / "http" / "fast" / "routes.py",
    }
    found: set[Path] = set()
    while waiting:
        file = waiting.pop()
        found.add(file)
        waiting |= imported(file) - found
    names = {str(file.relative_to(app)) for file in found}
    assert {"money.py", "calendar.py", "intake/parse.py", "http/answering/signed_tokens.py", "keyring.py"} <= names
    assert found <= set(answer_cache.shaping_files())


def test_the_code_version_changes_with_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    money = tmp_path / "money.py"
    monkeypatch.setattr(answer_cache, "APP", tmp_path)
    versions = []
    for text in ("a", "b", "a"):
        money.write_text(text)
        versions.append(answer_cache._code.__wrapped__())
    money.rename(tmp_path / "coins.py")
    versions.append(answer_cache._code.__wrapped__())
    assert versions[0] == versions[2]
    assert len(set(versions)) == 3
