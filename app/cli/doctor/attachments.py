"""Files of customers: whether somebody scans them, and would find something."""

from app.cli.doctor.finding import Finding, NotTried, Trouble, checked
from app.errors import ScannerUnavailable
from app.integrations import scanner
from app.settings import Settings

AREA = "attachments"
HARMLESS = b"portal doctor asks whether this is harmless"
TEST_FILE = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!" + b"$H+H*"
"""What every scanner calls malware and nobody is harmed by. In two parts, so that none finds it here."""


async def scanning(settings: Settings) -> Finding:
    """The scanner answers, lets harmless files through and finds the file that all scanners are tried with."""

    async def look() -> str:
        if not settings.attachment_scanner:
            raise NotTried(
                "off: customers' files go to support as they are. Set ATTACHMENT_SCANNER to a clamd or a command."
            )
        try:
            accused = await scanner.found_in(settings, HARMLESS)
            found = await scanner.found_in(settings, TEST_FILE)
        except ScannerUnavailable as error:
            raise Trouble(
                f"it did not judge a file: {error.__cause__!r}",
                "Is it up, and does ATTACHMENT_SCANNER lead to it from here? Until then customers attach nothing.",
            ) from error
        if accused:
            raise Trouble(f"it finds {accused} in what is harmless", "Look at the scanner's rules.")
        if not found:
            raise Trouble("it lets the EICAR test file through", "Has it loaded its signatures?")
        return f"finds the EICAR test file ({found})"

    return await checked(AREA, "scanner", look, "See ATTACHMENT_SCANNER in .env.example.")
