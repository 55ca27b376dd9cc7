"""Findings of checks, and the conversion of errors to findings with advice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from msgspec import Struct

from app.errors import (
    PortalError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamUnavailable,
)

CHECK_SECONDS = 30


class Finding(Struct, frozen=True, kw_only=True):
    """One line of the report.

    `advice` says what to do next if it failed; skipped checks give the reason in `detail`.
    """

    area: str
    check: str
    status: Literal["ok", "failed", "skipped"]
    detail: str
    advice: str = ""


class Trouble(Exception):
    """A failed check: what is wrong, and what to do."""

    def __init__(self, detail: str, advice: str) -> None:
        super().__init__(detail)
        self.detail, self.advice = detail, advice


class NotTried(Exception):
    """A check that did not apply; the text says why."""


async def checked(area: str, check: str, work: Callable[[], Awaitable[str]], advice: str) -> Finding:
    """Run a check that returns its good news; whatever it raises becomes a failure.

    `advice` is for failures without their own.
    """
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return Finding(area=area, check=check, status="ok", detail=await work())
    except NotTried as reason:
        return Finding(area=area, check=check, status="skipped", detail=str(reason))
    except Trouble as trouble:
        detail, advice = trouble.detail, trouble.advice
    except UpstreamError as error:
        detail, advice = _said(error), _advice(error, advice)
    except PortalError as error:
        detail = error.detail
    except TimeoutError:
        detail = f"no answer within {CHECK_SECONDS} seconds"
    except Exception as error:  # an unforeseen error must not end the diagnosis
        detail = f"{type(error).__name__}: {error}"
    return Finding(area=area, check=check, status="failed", detail=detail, advice=advice)


def _said(error: UpstreamError) -> str:
    kind = error.code.removeprefix("upstream_").replace("_", " ")
    words = " ".join(filter(None, (error.vendor_code, error.reason)))
    return f"{error.operation}: {kind}{': ' if words else ''}{words}"


def _advice(error: UpstreamError, otherwise: str) -> str:
    setting = f"{error.upstream.upper()}_{'TOKEN_' if error.operation == 'token' else ''}URL"
    if isinstance(error, UpstreamAuthFailed):
        return otherwise
    if isinstance(error, UpstreamBusy):
        return "Wait a minute and run this again; if it stays, check the vendor's limits for this user."
    if isinstance(error, UpstreamUnavailable):
        return f"Check {setting}, and that this machine can reach it (DNS, firewall, proxy, CA_FILE)."
    if isinstance(error, UpstreamMalformed):
        return f"Something else answers at {setting}. Check the address, and any proxy in front of it."
    return otherwise
