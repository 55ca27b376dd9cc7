"""Baseline A: a plain Litestar handler that returns the same bytes (`BODY_FILE`). No session, no limit, no log."""

import os
from pathlib import Path

from litestar import Litestar, get

BODY = Path(os.environ["BODY_FILE"]).read_bytes()


@get("/api/invoices", media_type="application/json")
async def invoices() -> bytes:
    """Return the bytes."""
    return BODY


app = Litestar([invoices], openapi_config=None, logging_config=None)
