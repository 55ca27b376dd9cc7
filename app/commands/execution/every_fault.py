"""Several checks of one request, and everything that they find told at once."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from app.errors import InvalidRequest, RuleViolated


async def every_fault(*checks: Awaitable[Any]) -> list[Any]:
    """Make every check; what they return, in their order.

    Raises:
        InvalidRequest, RuleViolated: what the one check found that failed, or the faults of all that did.
    """
    results = await asyncio.gather(*checks, return_exceptions=True)
    failed = [each for each in results if isinstance(each, InvalidRequest | RuleViolated)]
    if other := next((each for each in results if isinstance(each, BaseException) and each not in failed), None):
        raise other
    if len(failed) == 1:
        raise failed[0]
    if failed:
        together = InvalidRequest(errors=[fault for error in failed for fault in error.errors])
        together.feedback = next((error.feedback for error in failed if error.feedback), None)
        raise together
    return results
