"""Logging: one JSON object per line, constant event names, values as fields, secrets masked whatever logs them."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from app.settings import Settings

_SECRET_NAMES = re.compile(
    r"password|secret|token|authorization|cookie|authkey|oemkey|signature|redirect_url|sso", re.I
)
_SECRET_TEXT = re.compile(r"(access_token=|Bearer |session=|password=|secret=)[^\s&\"']+", re.I)


def mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask values whose name or text reveals a secret."""
    for name, value in event.items():
        if _SECRET_NAMES.search(name):
            event[name] = "***"
        elif isinstance(value, str):
            event[name] = _SECRET_TEXT.sub(r"\1***", value)
    return event


def configure(settings: Settings) -> None:
    """Send structlog and standard logging to stderr in one format, at `log_level`."""
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    renderer = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
