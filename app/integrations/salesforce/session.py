"""The requests session of simple-salesforce.

It sets our certificates and deadline, without cookies, redirects or environment settings. Every answer is read to its
end here, within bounds, and its text is cleaned.
"""

import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from app.intake import text
from app.integrations.forms import CONNECT_TIMEOUT_SECONDS
from app.integrations.salesforce.deadline import bounded
from app.integrations.salesforce.wire import CLIENT, USER_AGENT
from app.integrations.tls import trusted
from app.settings import Settings

LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
"""More than a page of 2,000 records with every long text full."""
CHUNK_BYTES = 65_536


class AnswerTooLarge(requests.exceptions.ContentDecodingError):
    """The answer exceeds the size limit."""


class ReadAnswer(requests.Response):
    """A fully read answer, whose JSON and text are decoded by `app.intake`."""

    @property
    def text(self) -> str:
        """The cleaned text, without guessing its encoding."""
        return text.decoded(self.content)

    def json(self, **options: Any) -> Any:
        """Decode as JSON, cleaned.

        Raises:
            Unreadable: it is not JSON.
        """
        return text.json_value(self.content)


class LastAnswer(threading.local):
    """Headers of the present thread's last answer, which the library does not expose."""

    retry_after: str | None = None


heard = LastAnswer()


class BoundedAdapter(HTTPAdapter):
    """Gives every request a time-out, which simple-salesforce does not pass, and the trusted authorities."""

    def __init__(self, settings: Settings) -> None:
        seconds = settings.salesforce_timeout_seconds
        self._timeout = (min(CONNECT_TIMEOUT_SECONDS, seconds), seconds)
        self._context = bounded(trusted(settings))
        size = settings.salesforce_concurrency
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Create connections with our TLS context."""
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send with our time-out unless the caller named one, and read the answer to its end."""
        options["timeout"] = options.get("timeout") or self._timeout
        heard.retry_after = None
        response = _taken(super().send(request, **options))
        heard.retry_after = response.headers.get("Retry-After")
        return response


class OneHop(requests.Session):
    """A session without redirects: Salesforce's API never redirects, and no other host may receive the token."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Report no redirect, so that none is followed."""
        return None


def session(settings: Settings) -> requests.Session:
    """Create the session shared by all threads; one connection per thread is kept open between calls."""
    made = OneHop()
    # An environment variable such as REQUESTS_CA_BUNDLE would otherwise override what is verified against.
    made.trust_env = False
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # On the session, because the library builds headers of its own for single records and would leave it out there.
    made.headers.update({"User-Agent": USER_AGENT, "Sforce-Call-Options": f"client={CLIENT}"})
    made.mount("https://", BoundedAdapter(settings))
    return made


def _taken(response: requests.Response) -> ReadAnswer:
    content = bytearray()
    try:
        for chunk in response.iter_content(CHUNK_BYTES):
            content += chunk
            if len(content) > LARGEST_ANSWER_BYTES:
                raise AnswerTooLarge(f"more than {LARGEST_ANSWER_BYTES} bytes")
    except BaseException:
        response.close()  # the rest of the answer must not be read as the next one
        raise
    taken = ReadAnswer()
    taken.__dict__.update(response.__dict__, _content=bytes(content), _content_consumed=True)
    return taken
