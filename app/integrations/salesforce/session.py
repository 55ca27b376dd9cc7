"""The requests session under simple-salesforce: our certificates, our timeouts, no cookies, nothing from the
environment."""

import threading
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from app.integrations.forms import CONNECT_TIMEOUT_SECONDS
from app.integrations.salesforce.wire import CLIENT, USER_AGENT
from app.integrations.tls import trusted
from app.settings import Settings


class Heard(threading.local):
    """What the last answer to the present thread said beside its body, which the library keeps to itself."""

    retry_after: str | None = None


heard = Heard()


class BoundedAdapter(HTTPAdapter):
    """simple-salesforce passes no timeout; this adapter gives every request one, and the trusted authorities."""

    def __init__(self, settings: Settings) -> None:
        seconds = settings.salesforce_timeout_seconds
        self._timeout = (min(CONNECT_TIMEOUT_SECONDS, seconds), seconds)
        self._context = trusted(settings)
        size = settings.salesforce_concurrency
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Connections by our TLS context."""
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def send(self, request: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send with our timeout unless the caller named one."""
        options["timeout"] = options.get("timeout") or self._timeout
        heard.retry_after = None
        response = super().send(request, **options)
        heard.retry_after = response.headers.get("Retry-After")
        return response


def session(settings: Settings) -> requests.Session:
    """Shared by all threads; a connection a thread is kept open between calls."""
    made = requests.Session()
    # An environment variable such as REQUESTS_CA_BUNDLE would otherwise override what is verified against.
    made.trust_env = False
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # On the session, because the library builds headers of its own for single records and would leave it out there.
    made.headers.update({"User-Agent": USER_AGENT, "Sforce-Call-Options": f"client={CLIENT}"})
    made.mount("https://", BoundedAdapter(settings))
    return made
