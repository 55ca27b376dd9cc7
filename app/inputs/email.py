"""E-mail addresses: RFC 5322's `addr-spec` without quotes, comments and literals.

Nothing is accepted that could be two addresses, a header or a display name. A new address must follow the rule. One to
look up need only be safe to send to: Japanese carriers gave out addresses like `taro..yamada.@example.ne.jp`, and their
owners must be able to log in.
"""

import re
import unicodedata
from typing import Annotated

from app.inputs.domain import ascii_form
from app.inputs.rule import Rule, Unfit
from app.inputs.text import is_harmful
from app.words.sentence import say

LONGEST, LONGEST_LOCAL = 254, 64
ENCODED = "=?"
"""How a word in another character set begins (RFC 2047). It is made of letters that an address may have, and whoever
decodes it finds a line break in it, or another address."""
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_STRICT = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_SENDABLE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_SENTENCE = say("fields.email")


def new(text: str) -> str:
    """Normalise a new address: in lower case, its domain in ASCII.

    Raises:
        Unfit: `email_invalid`.
    """
    local, domain = _parts(text)
    if not _STRICT.fullmatch(local) or ENCODED in local:
        raise Unfit("email_invalid", _SENTENCE)
    try:
        return _whole(local, ascii_form(domain))
    except Unfit as unfit:
        raise Unfit("email_invalid", _SENTENCE) from unfit


def known(text: str) -> str:
    """Normalise an address to look up, which may be older than the rule.

    Raises:
        Unfit: `email_invalid`: no mailbox can have this address.
    """
    local, domain = _parts(text)
    try:
        domain = ascii_form(domain)
    except Unfit:
        domain = domain.lower()
    found = _whole(local, domain)
    if not is_sendable(found):
        raise Unfit("email_invalid", _SENTENCE)
    return found


def is_sendable(address: str) -> bool:
    """Return true if a mail server reads this as exactly one mailbox and nothing else."""
    local, _, domain = address.rpartition("@")
    fits = len(local) <= LONGEST_LOCAL and len(address) <= LONGEST and ENCODED not in local
    return bool(fits and _SENDABLE.fullmatch(local) and _HOST.fullmatch(domain.lower()))


def _parts(text: str) -> tuple[str, str]:
    plain = text.strip()
    if not plain.isprintable() and any(map(is_harmful, plain)):
        raise Unfit("email_invalid", _SENTENCE)
    local, _, domain = unicodedata.normalize("NFKC", plain).rpartition("@")
    return local, domain


def _whole(local: str, domain: str) -> str:
    found = f"{local}@{domain}".lower()
    if len(local) > LONGEST_LOCAL or len(found) > LONGEST:
        raise Unfit("email_invalid", _SENTENCE)
    return found


NewEmail = Annotated[str, Rule(new)]
KnownEmail = Annotated[str, Rule(known)]
