"""Domains (IDNA 2008 after UTS 46): the ASCII form for systems, the Unicode form for people."""

import re
from typing import Annotated

import idna

from app.inputs.rule import Rule, Unfit
from app.inputs.text import one_line
from app.words.sentence import say

LONGEST = 253
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_TOP = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,58}[a-z0-9]")
_SENTENCE = say("fields.domain")


def ascii_form(text: str) -> str:
    """Convert a domain to its DNS form: `日本語.jp` and `XN--WGV71A119E.JP` become `xn--wgv71a119e.jp`.

    Raises:
        Unfit: `domain_invalid`.
    """
    plain = text.strip()
    if not 0 < len(plain) <= LONGEST:
        raise Unfit("domain_invalid", _SENTENCE)
    found = plain.lower()
    if not found.isascii() or "xn--" in found:
        found = _encoded(found)
    labels = found.split(".")
    if len(labels) < 2 or len(found) > LONGEST or not _TOP.fullmatch(labels[-1]):
        raise Unfit("domain_invalid", _SENTENCE)
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise Unfit("domain_invalid", _SENTENCE)
    return found


def _encoded(text: str) -> str:
    """Encode by the IDNA tables, which also check labels that are already encoded."""
    try:
        return idna.encode(text, uts46=True, std3_rules=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise Unfit("domain_invalid", _SENTENCE) from error


def unicode_form(domain: str) -> str:
    """Convert a domain to the form people read; unchanged if it has no other form."""
    if "xn--" not in domain.lower():
        return domain
    try:
        return idna.decode(domain, uts46=True, std3_rules=True)
    except (idna.IDNAError, UnicodeError):
        return domain


def _as_far_as_possible(text: str) -> str:
    try:
        return ascii_form(text)
    except Unfit:
        return one_line(text)


Domain = Annotated[str, Rule(_as_far_as_possible, may_be_blank=True)]
"""In ASCII if it is a domain. Anything else is left to the order rules, which report it with all other violations."""
