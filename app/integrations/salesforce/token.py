"""The access token: JWT bearer, kept until it is refused, renewed by one caller while the others wait."""

import asyncio
import re
import time
from pathlib import Path

import jwt
from msgspec import Struct

from app.errors import UpstreamAuthFailed, UpstreamBusy, UpstreamError, UpstreamMalformed
from app.intake.text import Unreadable, json_object
from app.integrations.forms import Forms, of_status
from app.integrations.pacing import Pacing
from app.integrations.salesforce.faults import SALESFORCE
from app.integrations.shared import SharedValue
from app.settings import Settings

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 180
OPERATION = "token"
_ACCESS = re.compile(r"[\x21-\x7e]{1,4096}")
"""Text that can be sent in a header."""
_INSTANCE = re.compile(r"https://[A-Za-z0-9.-]+(?::\d{1,5})?/?")


class AccessToken(Struct, frozen=True):
    """A token with its instance. `org_id` is the part of the token before the exclamation mark."""

    access_token: str
    instance_url: str
    org_id: str


class Tokens:
    """Provides the current token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._forms = Forms(SALESFORCE, settings, concurrency=1)
        self._shared = SharedValue(self._fetch)
        self._pacing = Pacing()
        self._issued: AccessToken | None = None
        self._works = False
        self._useless = 0

    async def close(self) -> None:
        """Close the connections to the token endpoint."""
        await self._shared.close()
        await self._forms.close()

    async def get(self, refused: AccessToken | None = None) -> AccessToken:
        """Return the token; a new one if `refused` is still the current one.

        Raises:
            UpstreamAuthFailed: the private key cannot be used, or the org refuses it.
            UpstreamUnavailable, UpstreamBusy, UpstreamMalformed
        """
        if refused is not None and refused == self._issued:
            self._issued = None
            if not self._works:
                reason = "a new token was refused at its first use"
                self._pacing.failed(UpstreamAuthFailed(SALESFORCE, OPERATION, reason), pause=self._useless > 0)
                self._useless += 1
        return await self._shared.get(refused)

    def worked(self, token: AccessToken) -> None:
        """Record that a call with it succeeded: renewals are no longer paced."""
        if token == self._issued and not self._works:
            self._works = True
            self._useless = 0
            self._pacing.succeeded()

    async def _fetch(self) -> AccessToken:
        self._pacing.check()
        try:
            token = await self._ask()
        except UpstreamError as error:
            self._pacing.failed(error)
            raise
        self._issued, self._works = token, False
        return token

    async def _ask(self) -> AccessToken:
        settings = self._settings
        form = {"grant_type": GRANT, "assertion": await self._assertion()}
        answer = await self._forms.post(
            OPERATION,
            settings.salesforce_token_url,
            form,
            write=False,
            timeout_seconds=settings.salesforce_timeout_seconds,
        )
        told = answer.retry_after_seconds
        if failure := of_status(SALESFORCE, OPERATION, answer.status, write=False, retry_after_seconds=told):
            raise failure
        return _token(answer.status, answer.content)

    async def _assertion(self) -> str:
        settings = self._settings
        claims = {
            "iss": settings.salesforce_client_id,
            "sub": settings.salesforce_username,
            "aud": _audience(settings.salesforce_token_url),
            "exp": int(time.time()) + ASSERTION_SECONDS,
        }
        try:
            key = await asyncio.to_thread(Path(settings.salesforce_private_key_file).read_text)
            return jwt.encode(claims, key, algorithm="RS256")
        except (OSError, ValueError, TypeError, jwt.PyJWTError) as error:
            # Only the kind of error: its text may quote the key.
            reason = f"the private key file cannot be used: {type(error).__name__}"
            raise UpstreamAuthFailed(SALESFORCE, OPERATION, reason) from None


def _token(status: int, content: bytes) -> AccessToken:
    try:
        body = json_object(content)
    except Unreadable as error:
        raise UpstreamMalformed(SALESFORCE, OPERATION, f"HTTP {status}: {error}") from error
    if status != 200:
        kind = UpstreamBusy if body.get("error") == "rate_limit_exceeded" else UpstreamAuthFailed
        reason, code = str(body.get("error_description", "")), str(body.get("error", ""))
        raise kind(SALESFORCE, OPERATION, reason, vendor_code=code)
    access, url = body.get("access_token"), body.get("instance_url")
    if not isinstance(access, str) or not isinstance(url, str) or not _ACCESS.fullmatch(access):
        raise UpstreamMalformed(SALESFORCE, OPERATION, "no access_token or instance_url that can be used")
    if not _INSTANCE.fullmatch(url):
        raise UpstreamMalformed(SALESFORCE, OPERATION, "instance_url is no https address")
    return AccessToken(access, url, access.partition("!")[0])


def _audience(token_url: str) -> str:
    """Return the login host, `scheme://host[:port]`."""
    return "/".join(token_url.split("/")[:3])
