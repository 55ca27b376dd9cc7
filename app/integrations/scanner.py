"""Malware scanning of every file from a customer, before anybody else receives it.

`ATTACHMENT_SCANNER` names a clamd, to which the file is sent over its socket (INSTREAM), or a command that reads the
file and exits with 0 for clean and 1 for infected, as ClamAV's own do. Anything else is not a verdict: a file without
one is not clean.
"""

import asyncio
import os
import re
import shlex
import signal

import structlog

from app.errors import ScannerUnavailable
from app.settings import Settings

CLAMD = "clamd:"
AT_ONCE = 4
"""Files of one process in the scanner at once."""
CHUNK_BYTES = 64 * 1024
LONGEST_ANSWER_BYTES = 4096
UNNAMED = "unnamed"
_FOUND = re.compile(r"stream: (.{1,200}) FOUND")

_slots = asyncio.Semaphore(AT_ONCE)
log = structlog.get_logger()


async def found_in(settings: Settings, content: bytes) -> str | None:
    """Scan a file: the name of the malware found; None for a clean one, and if no scanner is configured.

    Raises:
        ScannerUnavailable: there was no verdict within `ATTACHMENT_SCAN_SECONDS`, including the wait for a slot.
    """
    scanner = settings.attachment_scanner
    if not scanner:
        return None
    try:
        async with asyncio.timeout(settings.attachment_scan_seconds), _slots:
            if scanner.startswith(CLAMD):
                return _judgement(await _asked(scanner.removeprefix(CLAMD), content))
            return await _run(scanner, content)
    except Exception as error:  # whatever went wrong, there is no verdict
        log.error("attachment_not_scanned", error=repr(error)[:300])
        raise ScannerUnavailable from error


async def _asked(address: str, content: bytes) -> str:
    """Send the content to clamd and return its answer."""
    host, _, port = address.rpartition(":")
    if address.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(address, limit=LONGEST_ANSWER_BYTES)
    else:
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=LONGEST_ANSWER_BYTES)
    try:
        await _send(writer, content)
        answer = await reader.readuntil(b"\0")
        return answer.rstrip(b"\0").decode(errors="replace").strip()
    finally:
        writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send all of it, or fail: a scanner that hangs up early has no verdict, whatever it answered."""
    writer.write(b"zINSTREAM\0")
    for start in range(0, len(content), CHUNK_BYTES):
        chunk = content[start : start + CHUNK_BYTES]
        writer.write(len(chunk).to_bytes(4, "big") + chunk)
        await writer.drain()
    writer.write(bytes(4))
    await writer.drain()


def _judgement(answer: str) -> str | None:
    if answer == "stream: OK":
        return None
    if found := _FOUND.fullmatch(answer):
        return found[1]
    raise ValueError(f"clamd answered {answer!r}")


async def _run(command: str, content: bytes) -> str | None:
    """Scan with a command, which receives nothing of our environment, because it contains secrets."""
    nowhere = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *shlex.split(command),
        stdin=asyncio.subprocess.PIPE,
        stdout=nowhere,
        stderr=nowhere,
        env={"PATH": os.environ.get("PATH", os.defpath)},
        start_new_session=True,
    )
    try:
        await process.communicate(content)
    finally:
        if process.returncode is None:  # time is up, for its children too
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode not in (0, 1):
        raise ValueError(f"the command ended with {process.returncode}")
    return UNNAMED if process.returncode else None
