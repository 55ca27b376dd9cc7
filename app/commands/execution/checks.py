"""Several checks of one request, whose violations are reported together."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from app.errors import InvalidRequest, RuleViolated


async def run_checks(*checks: Awaitable[Any]) -> list[Any]:
    """Run all checks and return their results in order.

    Raises:
        InvalidRequest, RuleViolated: the error of the one check that failed, or the violations of all that did.
    """
    results = await asyncio.gather(*checks, return_exceptions=True)
    failed = [each for each in results if isinstance(each, InvalidRequest | RuleViolated)]
    if other := next((each for each in results if isinstance(each, BaseException) and each not in failed), None):
        raise other
    if len(failed) == 1:
        raise failed[0]
    if failed:
        combined = InvalidRequest(errors=[violation for error in failed for violation in error.errors])
        combined.feedback = next((error.feedback for error in failed if error.feedback), None)
        raise combined
    return results
