"""The requests session under simple-salesforce: our certificates, our deadline, no cookies, no redirects, nothing from
the environment. Every answer of every call is taken in here: read whole, within bounds, and with clean text."""

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
"""A page of 2,000 records with every long text full stays below it."""
CHUNK_BYTES = 65_536


class AnswerTooLarge(requests.exceptions.ContentDecodingError):
    """More than is ever read."""


class ReadAnswer(requests.Response):
    """An answer that was taken in: whatever reads JSON or text of it reads what `app.intake` makes of its bytes."""

    @property
    def text(self) -> str:
        """Its text, clean, without guesses at its encoding."""
        return text.decoded(self.content)

    def json(self, **options: Any) -> Any:
        """What it says, clean.

        Raises:
            Unreadable: it is no JSON.
        """
        return text.json_value(self.content)


class LastAnswer(threading.local):
    """What the last answer to the present thread said beside its body, which the library keeps to itself."""

    retry_after: str | None = None


heard = LastAnswer()


class BoundedAdapter(HTTPAdapter):
    """simple-salesforce passes no timeout; this adapter gives every request one, and the trusted authorities."""

    def __init__(self, settings: Settings) -> None:
        seconds = settings.salesforce_timeout_seconds
        self._timeout = (min(CONNECT_TIMEOUT_SECONDS, seconds), seconds)
        self._context = bounded(trusted(settings))
        size = settings.salesforce_concurrency
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Connections by our TLS context."""
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send with our timeout unless the caller named one, and read the answer to its end."""
        options["timeout"] = options.get("timeout") or self._timeout
        heard.retry_after = None
        response = _taken(super().send(request, **options))
        heard.retry_after = response.headers.get("Retry-After")
        return response


class OneHop(requests.Session):
    """Salesforce's API never redirects. Whatever does so is no Salesforce, and shall not have the token."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""
        return None


def session(settings: Settings) -> requests.Session:
    """Shared by all threads; a connection a thread is kept open between calls."""
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
        response.close()  # what is left of the answer must not be taken for the next one's
        raise
    taken = ReadAnswer()
    taken.__dict__.update(response.__dict__, _content=bytes(content), _content_consumed=True)
    return taken
