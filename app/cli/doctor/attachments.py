"""Checks of the malware scanner for customers' files."""

from app.cli.doctor.finding import Finding, NotTried, Trouble, checked
from app.errors import ScannerUnavailable
from app.integrations import scanner
from app.settings import Settings

AREA = "attachments"
HARMLESS = b"portal doctor asks whether this is harmless"
TEST_FILE = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + b"$H+H*"
"""The EICAR test file, which every scanner reports. In two parts, so that none reports this file."""


async def scanning(settings: Settings) -> Finding:
    """Check that the scanner answers, accepts a harmless file and finds the EICAR test file."""

    async def look() -> str:
        if not settings.attachment_scanner:
            raise NotTried(
                "off: customers' files go to support unscanned. Set ATTACHMENT_SCANNER to a clamd or a command."
            )
        try:
            accused = await scanner.found_in(settings, HARMLESS)
            found = await scanner.found_in(settings, TEST_FILE)
        except ScannerUnavailable as error:
            raise Trouble(
                f"it gave no verdict on a file: {error.__cause__!r}",
                "Start it, and check that ATTACHMENT_SCANNER leads to it. Until then nobody can attach files.",
            ) from error
        if accused:
            raise Trouble(f"it finds {accused} in a harmless file", "Correct the scanner's rules.")
        if not found:
            raise Trouble("it lets the EICAR test file through", "Have it load its signatures.")
        return f"finds the EICAR test file ({found})"

    return await checked(AREA, "scanner", look, "See ATTACHMENT_SCANNER in .env.example.")
