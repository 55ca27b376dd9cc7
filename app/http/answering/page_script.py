"""The script of the reference page: it filters the operations while the reader types, and opens the one that a link
names. Without it the page is complete, and the browser's own search works."""

import base64
import hashlib

_SCRIPT = r"""
const field = document.getElementById("search"), found = document.getElementById("found");
const entries = [...document.querySelectorAll("section > details")];
const texts = entries.map((entry) => entry.textContent.toLowerCase());
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  entries.forEach((entry, at) => {
    entry.hidden = !words.every((word) => texts[at].includes(word));
    shown += !entry.hidden;
  });
  document.querySelectorAll("main > section").forEach((section) => {
    section.hidden = !section.querySelector(":scope > details:not([hidden])");
  });
  found.textContent = words.length ? `${shown} of ${entries.length}` : "";
});
const open = () => {
  const entry = document.getElementById(location.hash.slice(1));
  if (entry?.matches("details")) { entry.open = true; entry.scrollIntoView(); }
};
addEventListener("hashchange", open);
open();
"""


def element() -> str:
    """Render the script."""
    return f"<script>{_SCRIPT}</script>"


def permission() -> str:
    """Render what the content security policy must allow: this script and no other."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()}'"
