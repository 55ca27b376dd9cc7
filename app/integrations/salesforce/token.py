"""The access token: JWT bearer, kept until it is refused, renewed by one caller while the others wait."""

import asyncio
import time

import httpx
import jwt
import msgspec
from msgspec import Struct

from app.errors import UpstreamAuthFailed, UpstreamMalformed, UpstreamUnavailable
from app.integrations.salesforce.wire import USER_AGENT
from app.integrations.tls import trusted
from app.settings import Settings

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 180


class Token(Struct, frozen=True):
    """What every call needs. `org_id` is the part of the token before the exclamation mark."""

    access_token: str
    instance_url: str
    org_id: str


class Tokens:
    """Gives out the current token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._token: Token | None = None
        self._http = httpx.AsyncClient(
            timeout=settings.salesforce_timeout_seconds,
            verify=trusted(settings),
            trust_env=False,
            headers={"User-Agent": USER_AGENT},
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def get(self, refused: Token | None = None) -> Token:
        """The token; a new one when `refused` is still the one held.

        Raises:
            UpstreamAuthFailed, UpstreamUnavailable, UpstreamMalformed
        """
        async with self._lock:
            if self._token is None or self._token == refused:
                self._token = await self._fetch()
            return self._token

    async def _fetch(self) -> Token:
        form = {"grant_type": GRANT, "assertion": self._assertion()}
        try:
            response = await self._http.post(self._settings.salesforce_token_url, data=form)
        except httpx.HTTPError as error:
            raise UpstreamUnavailable("salesforce", "token", repr(error)) from error
        if response.status_code >= 500:
            raise UpstreamUnavailable("salesforce", "token", f"HTTP {response.status_code}")
        try:
            answer = msgspec.json.decode(response.content, type=dict[str, str])
        except msgspec.DecodeError as error:
            raise UpstreamMalformed("salesforce", "token", f"HTTP {response.status_code}: not a JSON object") from error
        if response.status_code != 200:
            reason = answer.get("error_description", "")
            raise UpstreamAuthFailed("salesforce", "token", reason, vendor_code=answer.get("error", ""))
        access = answer["access_token"]
        return Token(access, answer["instance_url"], access.partition("!")[0])

    def _assertion(self) -> str:
        settings = self._settings
        url = httpx.URL(settings.salesforce_token_url)
        claims = {
            "iss": settings.salesforce_client_id,
            "sub": settings.salesforce_username,
            "aud": f"{url.scheme}://{url.netloc.decode()}",
            "exp": int(time.time()) + ASSERTION_SECONDS,
        }
        with open(settings.salesforce_private_key_file) as key:
            return jwt.encode(claims, key.read(), algorithm="RS256")
