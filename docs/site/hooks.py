"""What the documentation site needs beyond the files of docs/: pages that live elsewhere in the repository.

A link to one of those pages leads to its place in the site. A link to any other file outside docs/ becomes plain text,
because the site does not hold the source code.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "deploy/README.md": "deploy.md",
    "deploy/salesforce/README.md": "deploy-salesforce.md",
    "deploy/whmcs/README.md": "deploy-whmcs.md",
}
"""Repository path → page of the site."""
SOURCES = {page: source for source, page in ELSEWHERE.items()}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from elsewhere."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point the page's links into the site."""
    here = page.file.src_uri
    source = SOURCES.get(here, f"docs/{here}")
    return LINK.sub(lambda link: _relinked(link, source, here), markdown)


def _relinked(link: re.Match[str], source: str, here: str) -> str:
    text, target = link.groups()
    path, _, anchor = target.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return link[0]
    named = normpath(PurePosixPath(source).parent / path)
    page = ELSEWHERE.get(named, named.removeprefix("docs/") if named.startswith("docs/") else None)
    if page == "decisions":
        page = "decisions/README.md"
    if page is None:
        return text
    return f"[{text}]({relpath(page, PurePosixPath(here).parent)}{'#' + anchor if anchor else ''})"
