"""The scanner: clean, infected, or no answer, from each implementation and however it fails; never later than the
deadline."""

import asyncio
import os
import shlex
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from app.cli.doctor.attachments import TEST_FILE, scanning
from app.errors import ScannerUnavailable
from app.integrations import scanner
from app.settings import Settings, SettingsError, load
from tests.integrations.clamd import Clamd, listening
from tests.test_settings import filled


@pytest.fixture(params=["socket", "port"])
async def clamd(request: Any) -> AsyncIterator[Clamd]:
    with tempfile.TemporaryDirectory() as folder:
        async with listening(Path(folder) if request.param == "socket" else None) as made:
            yield made


def asking(settings: Settings, address: str, seconds: float = 5.0) -> Settings:
    return msgspec.structs.replace(settings, attachment_scanner=address, attachment_scan_seconds=seconds)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 5 * 1024 * 1024])
async def test_clamd_is_sent_the_whole_file_and_believed(settings: Settings, clamd: Clamd, size: int) -> None:
    content = os.urandom(size)
    assert await scanner.found_in(asking(settings, clamd.address), content) is None
    assert clamd.scanned == [content]


async def test_what_clamd_finds_is_named(settings: Settings, clamd: Clamd) -> None:
    clamd.known[b"evil"] = "Win.Test.EICAR_HDB-1"
    assert await scanner.found_in(asking(settings, clamd.address), b"so evil") == "Win.Test.EICAR_HDB-1"


@pytest.mark.parametrize(
    "answer",
    [
        *(
            b"INSTREAM size limit exceeded. ERROR\0",
            b"stream: ERROR\0",
            b"UNKNOWN COMMAND\0",
            b"\0",
            b"",
            b"stream: OK",
        ),
        *(b"OK\0", b"stream: OKAY\0", b"stream:  FOUND\0", b"\xff\xfe\0", b"x" * 10_000),
        None,
    ],
)
async def test_any_other_answer_and_none_is_no_clean_bill(
    settings: Settings, clamd: Clamd, answer: bytes | None
) -> None:
    clamd.answer = answer
    started = time.monotonic()
    with pytest.raises(ScannerUnavailable):
        await scanner.found_in(asking(settings, clamd.address, 0.5), b"file")
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("words", [b"INSTREAM size limit exceeded. ERROR\0", b"stream: OK\0", b""])
async def test_a_file_that_clamd_did_not_hear_to_its_end_is_not_clean(
    settings: Settings, clamd: Clamd, words: bytes
) -> None:
    clamd.hangs_up_after_bytes, clamd.parting_words = 100_000, words
    with pytest.raises(ScannerUnavailable):
        await scanner.found_in(asking(settings, clamd.address), bytes(5 * 1024 * 1024))


async def test_one_that_takes_nothing_is_left_at_the_deadline(settings: Settings) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    server = await asyncio.start_server(deaf, "127.0.0.1", 0, limit=1024)
    address = f"clamd:127.0.0.1:{server.sockets[0].getsockname()[1]}"
    started = time.monotonic()
    with pytest.raises(ScannerUnavailable):
        await scanner.found_in(asking(settings, address, 0.5), bytes(50 * 1024 * 1024))
    assert time.monotonic() - started < 3
    server.close()


@pytest.mark.parametrize(
    "address", ["clamd:127.0.0.1:9", "clamd:/nowhere/clamd.ctl", "clamd:127.0.0.1:99999", "/nowhere/scan"]
)
async def test_an_absent_one_is_no_clean_bill(settings: Settings, address: str) -> None:
    with pytest.raises(ScannerUnavailable):
        await scanner.found_in(asking(settings, address), b"file")


async def test_many_files_wait_for_their_turn_and_no_longer_than_the_deadline(settings: Settings, clamd: Clamd) -> None:
    clamd.answer = None
    slow = asking(settings, clamd.address, 1.0)
    started = time.monotonic()
    answers = await asyncio.gather(*(scanner.found_in(slow, b"x") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(answer, ScannerUnavailable) for answer in answers)
    assert time.monotonic() - started < 3
    assert clamd.most_open == 4
    clamd.answer = b"stream: OK\0"
    assert await asyncio.gather(*(scanner.found_in(slow, b"x") for _ in range(20))) == [None] * 20


def command(folder: Path, body: str) -> str:
    """Write a scanner in Python and return its command."""
    script = folder / "scan.py"
    script.write_text(f"#!{sys.executable}\nimport os, subprocess, sys, time\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return shlex.join([str(script), "--from", "standard input"])


@pytest.mark.parametrize(("body", "found"), [("sys.stdin.buffer.read()", None), ("sys.exit(1)", scanner.UNNAMED)])
async def test_a_command_says_it_by_its_exit_status(
    settings: Settings, tmp_path: Path, body: str, found: str | None
) -> None:
    assert await scanner.found_in(asking(settings, command(tmp_path, body)), bytes(1_000_000)) == found


@pytest.mark.parametrize("body", ["sys.exit(2)", "os.kill(os.getpid(), 9)", "raise SystemExit(137)", "time.sleep(60)"])
async def test_a_command_that_fails_is_no_clean_bill(settings: Settings, tmp_path: Path, body: str) -> None:
    started = time.monotonic()
    with pytest.raises(ScannerUnavailable):
        await scanner.found_in(asking(settings, command(tmp_path, body), 1.0), b"file")
    assert time.monotonic() - started < 5


async def test_a_command_that_hangs_ends_with_what_it_started(settings: Settings, tmp_path: Path) -> None:
    script = tmp_path / "scan.sh"  # a shell has started long before the time is over, however busy the machine is
    script.write_text(f"sleep 60 & echo $! > {tmp_path / 'pid'}; wait")
    with pytest.raises(ScannerUnavailable):
        await scanner.found_in(asking(settings, f"/bin/sh {script}", 5), b"file")
    child = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


async def test_a_command_gets_the_file_and_none_of_our_secrets(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTAL_SECRET", "s" * 32)
    body = f"open({str(tmp_path / 'got')!r}, 'wb').write(sys.stdin.buffer.read() + repr(dict(os.environ)).encode())"
    await scanner.found_in(asking(settings, command(tmp_path, body)), b"the file;")
    got = (tmp_path / "got").read_bytes()
    assert got.startswith(b"the file;")
    assert b"PORTAL_SECRET" not in got


@pytest.mark.parametrize("value", ["clamd:", "clamd:host", "clamd:host:port", "clamd: /x", "clamd:host:123456"])
def test_an_address_that_is_none_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(SettingsError, match="ATTACHMENT_SCANNER"):
        load({**filled(), "ATTACHMENT_SCANNER": value})


@pytest.mark.parametrize("value", ["clamd:/run/clamav/clamd.ctl", "clamd:[::1]:3310", "clamdscan --no-summary -", ""])
def test_an_address_or_command_is_taken(value: str) -> None:
    assert load({**filled(), "ATTACHMENT_SCANNER": value}).attachment_scanner == value


async def test_doctor_says_what_the_scanner_does(settings: Settings, clamd: Clamd) -> None:
    off = await scanning(settings)
    assert (off.status, "ATTACHMENT_SCANNER" in off.detail) == ("skipped", True)
    blind = await scanning(asking(settings, clamd.address))
    assert (blind.status, "EICAR" in blind.detail) == ("failed", True)
    clamd.known[TEST_FILE] = "Eicar-Test-Signature"
    assert (await scanning(asking(settings, clamd.address))).status == "ok"
    clamd.known[b"harmless"] = "Anything"
    assert (await scanning(asking(settings, clamd.address))).status == "failed"
    away = await scanning(asking(settings, "clamd:127.0.0.1:9"))
    assert (away.status, bool(away.advice)) == ("failed", True)
