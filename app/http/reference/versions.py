"""The page of versions, rendered from docs/versions.md. The `Link` of a deprecated answer leads to a section of it."""

import html
import re
from functools import cache
from importlib import resources
from pathlib import Path

from app.http.reference.frame import framed, prose

_CHECKOUT = Path(__file__).parents[3] / "docs" / "versions.md"
_BLOCKS = re.compile(r"\n{2,}")


@cache
def page() -> bytes:
    """Render the page, with an anchor for each version."""
    text = _CHECKOUT.read_text() if _CHECKOUT.exists() else _packaged()
    title, *blocks = _BLOCKS.split(text.strip())
    return framed(title.removeprefix("# "), "".join(_block(each) for each in blocks))


def _block(text: str) -> str:
    """Render a heading, a sample, a list or a paragraph: all that the file has."""
    if text.startswith("## "):
        heading = html.escape(text.removeprefix("## "), quote=True)
        return f"<h2 id='{heading}'>{heading}</h2>"
    if text.startswith("    "):
        return f"<pre tabindex=0>{html.escape(text.strip())}</pre>"
    if text.startswith("- "):
        items = (prose(" ".join(each.split())) for each in text.removeprefix("- ").split("\n- "))
        return f"<ul>{''.join(f'<li>{each}' for each in items)}</ul>"
    return f"<p>{prose(text)}</p>"


def _packaged() -> str:
    return (resources.files("app.http.reference") / "versions.md").read_text(encoding="utf-8")
