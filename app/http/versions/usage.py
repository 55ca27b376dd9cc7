"""Counts of the versions and of the ending operations that callers use. All labels come from what is registered."""

from typing import NamedTuple

from prometheus_client import Counter

REFUSED = "refused"

VERSIONS_USED = Counter(
    "portal_version_requests_total",
    "Requests by the version they were answered in, and whether they named it",
    ["version", "chosen"],
)
ENDING_USED = Counter(
    "portal_deprecated_requests_total", "Requests to operations that end, or whose fields do", ["operation"]
)


class VersionUse(NamedTuple):
    """What one request used: a version, whether it was `named` or the `default`, and an operation that ends, if it
    does."""

    version: str
    chosen: str
    ending: str = ""


def chosen(header: bytes | None) -> str:
    """Return whether a request named its version."""
    return "default" if header is None else "named"


def count(usage: VersionUse, times: int = 1) -> None:
    """Count requests."""
    VERSIONS_USED.labels(usage.version, usage.chosen).inc(times)
    if usage.ending:
        ENDING_USED.labels(usage.ending).inc(times)
