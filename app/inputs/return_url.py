"""Where a customer is sent back to: an address of one of the company's own origins, compared as text.

The address must begin with an origin exactly as the settings write it, followed by nothing, `/`, `?` or `#`. So it has
no user, no other port and no other host, however a browser may read the rest. Characters that browsers drop or read as
others are refused wherever they stand.
"""

import re
from collections.abc import Sequence

from app.errors import RuleViolated, Violation
from app.settings import Settings, SettingsError
from app.words.sentence import say

LONGEST = 1_000
_PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
"""What RFC 3986 allows in an address: no blanks, no backslash, nothing beyond ASCII."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN = re.compile(rf"(https://{_LABEL}(?:\.{_LABEL})*|http://(?:127\.0\.0\.1|localhost))(?::([1-9][0-9]{{0,4}}))?")
_DEFAULT_PORTS = {("https", "443"), ("http", "80")}


def origins(settings: Settings) -> tuple[str, ...]:
    """Return the origins that customers may be sent back to.

    Raises:
        SettingsError: one of them is not written as browsers write an origin.
    """
    found = tuple(part.strip() for part in settings.return_origins.split(",") if part.strip())
    for each in found:
        written = _ORIGIN.fullmatch(each)
        if written is None or (each.partition(":")[0], written[2]) in _DEFAULT_PORTS:
            raise SettingsError(
                f"RETURN_ORIGINS cannot be used: {each!r} is not an origin as browsers write it, such as "
                "https://portal.example.jp: in lower case, without a path, a final slash or the usual port."
            )
    return found


def checked(url: str | None, allowed: Sequence[str]) -> str | None:
    """Return the address if customers may be sent there.

    Raises:
        RuleViolated: `return_url_not_allowed`.
    """
    if url is None or _is_allowed(url, allowed):
        return url
    sentence = say("fields.return_url")
    problem = Violation("return_url", "return_url_not_allowed", sentence)
    raise RuleViolated(sentence, code="return_url_not_allowed", errors=[problem])


def _is_allowed(url: str, allowed: Sequence[str]) -> bool:
    if len(url) > LONGEST or not _PLAIN.fullmatch(url):
        return False
    return any(url.startswith(origin) and url[len(origin) :][:1] in ("", "/", "?", "#") for origin in allowed)
