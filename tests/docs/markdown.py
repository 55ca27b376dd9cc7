"""Markdown as far as the checks of documents need it: code spans, fenced blocks, links, headings and their anchors."""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)(?: +title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n+)+")
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.M)


class Block(Struct, frozen=True):
    """A fenced block: its language, the file it shows, and its text."""

    language: str
    title: str
    text: str


def documents() -> list[Path]:
    """Every document that people read, wherever in the repository it is."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    return [*top, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]


def name_of(document: Path) -> str:
    """The document's path in the repository, to name a test by."""
    return document.relative_to(ROOT).as_posix()


def blocks(text: str) -> list[Block]:
    """The fenced blocks."""
    return [Block(*found.groups(default="")) for found in FENCE.finditer(text)]


def prose(text: str) -> str:
    """The text without fenced and indented blocks."""
    return INDENTED.sub("\n", FENCE.sub("", text))


def spans(text: str) -> Iterator[str]:
    """What stands in backticks."""
    yield from SPAN.findall(prose(text))


def links(text: str) -> Iterator[str]:
    """The targets of links and images."""
    yield from LINK.findall(SPAN.sub("", prose(text)))


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub and the site make them."""
    return {anchor(heading) for heading in HEADING.findall(FENCE.sub("", text))}


def anchor(heading: str) -> str:
    """Lower case, no punctuation, spaces as hyphens."""
    return re.sub(r"[^\w\- ]", "", LINK.sub("", heading).strip().lower()).replace(" ", "-")
