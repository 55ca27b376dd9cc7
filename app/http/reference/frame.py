"""The frame of every page: header, navigation and style. Nothing is loaded from outside, and nothing needs a script."""

import html
import re

STYLE = """
:root { color-scheme: light dark; --line: #8886; --ink: #2457a7; --soft: #8881 }
@media (prefers-color-scheme: dark) { :root { --ink: #8ab4f8 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere }
a { color: var(--ink) } a:focus-visible, summary:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px }
h1 { margin: .5rem 0 0 } h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; padding-bottom: .3rem }
h4 { margin: 1.2rem 0 .3rem } h5 { margin: .6rem 0 .2rem }
input { font: inherit; padding: .3rem; width: 100%; max-width: 24rem } [hidden] { display: none }
:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px }
 nav.top a { margin-right: 1rem }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .8rem }
details details { background: var(--soft) } details:target { border-color: var(--ink); border-width: 2px }
summary { cursor: pointer } code, pre { font: 14px/1.45 ui-monospace, monospace }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; color: var(--ink) }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top }
td, th { overflow-wrap: normal }
td:first-child { white-space: nowrap } tr:target { background: var(--soft); outline: 2px solid var(--ink) }
.soft { opacity: .8 } .required { font-weight: 700 } ul.index { columns: 16rem; padding-left: 1.2rem }
pre { overflow-x: auto; background: var(--soft); border-radius: .4rem; padding: .6rem; white-space: pre }
"""
YES, NO = "<span class=required>yes</span>", "no"
LINKS = (("/schema", "Reference"), ("/docs/errors", "Errors"), ("/schema/openapi.json", "openapi.json"))
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")


def framed(title: str, body: str) -> bytes:
    """Render a complete page around a body of HTML."""
    links = "".join(f"<a href='{path}'>{name}</a>" for path, name in LINKS)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<nav class=top aria-label='Documents'>{links}</nav><main><h1>{html.escape(title)}</h1>{body}</main></html>"
    ).encode()


def prose(text: str) -> str:
    """Render a sentence with `code` in it."""
    return _CODE.sub(r"<code>\1</code>", html.escape(_LINK.sub(r"\1", text)))


def table(head: tuple[str, ...], rows: list[str], caption: str) -> str:
    """Render a table that scrolls by itself on a narrow screen; empty without rows."""
    if not rows:
        return ""
    cells = "".join(f"<th scope=col>{html.escape(each)}" for each in head)
    label = html.escape(caption, quote=True)
    region = f"<div class=scroll tabindex=0 role=region aria-label='{label}'>"
    return f"{region}<table><tr>{cells}</tr>{''.join(rows)}</table></div>"
