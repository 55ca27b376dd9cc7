"""A scanner for malware, asked about each file of a customer before anybody else gets it.

`ATTACHMENT_SCANNER` names a clamd, which is sent the file over its socket (INSTREAM), or a command that reads the file
and ends with 0 for clean and 1 for infected, as ClamAV's own do. Whatever is neither of the two answers is no answer: a
file that nobody could judge is not clean.
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
"""Files of one process in front of the scanner."""
CHUNK_BYTES = 64 * 1024
LONGEST_ANSWER_BYTES = 4096
UNNAMED = "unnamed"
_FOUND = re.compile(r"stream: (.{1,200}) FOUND")

_slots = asyncio.Semaphore(AT_ONCE)
log = structlog.get_logger()


async def found_in(settings: Settings, content: bytes) -> str | None:
    """The name of what was found in a file; None for a clean one, and where no scanner is configured.

    Raises:
        ScannerUnavailable: it was not judged within `ATTACHMENT_SCAN_SECONDS`, waiting included.
    """
    scanner = settings.attachment_scanner
    if not scanner:
        return None
    try:
        async with asyncio.timeout(settings.attachment_scan_seconds), _slots:
            if scanner.startswith(CLAMD):
                return _judgement(await _asked(scanner.removeprefix(CLAMD), content))
            return await _run(scanner, content)
    except Exception as error:  # whatever went wrong, nobody judged the file
        log.error("attachment_not_scanned", error=repr(error)[:300])
        raise ScannerUnavailable from error


async def _asked(address: str, content: bytes) -> str:
    """What clamd says of the content."""
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
    """All of it, or an error: what hangs up before the end has judged nothing, whatever it said."""
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
    """The same of a command, which gets nothing of our environment, because our secrets are in it."""
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
        if process.returncode is None:  # its time is over, and that of whatever it started
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode not in (0, 1):
        raise ValueError(f"the command ended with {process.returncode}")
    return UNNAMED if process.returncode else None
