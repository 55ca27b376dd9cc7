"""Validators of former versions: those of the newest version with the version's date at the end.

An answer that was carried back has other bytes, so its validator must be another one. What it names is the same state,
so a condition on it can be carried forward.
"""

import re

from app.http.answering.preconditions import ANY, tags

UNKNOWN = '"-"'
"""A validator that no answer has."""
_DATED = re.compile(r'-v\d{8}"$')


class EntityTags:
    """The validators of one version."""

    def __init__(self, name: str) -> None:
        self._suffix = f'-v{name.replace("-", "")}"'

    def of(self, etag: str) -> str:
        """Return the validator of this version for that of the newest one."""
        return etag[:-1] + self._suffix

    def held(self, value: str) -> str:
        """Return the `If-None-Match` of the newest version. Answers of other versions have other bytes."""
        if value.strip() == ANY:
            return value
        own = [undated(each) for each in sorted(tags(value)) if each.endswith(self._suffix)]
        return ", ".join(own) or UNKNOWN


def undated(tag: str) -> str:
    """Return the validator of the newest version that names the same state."""
    return _DATED.sub('"', tag)


def expected(value: str) -> str:
    """Return the `If-Match` of the newest version, whatever version the validators were given by."""
    return value if value.strip() == ANY else ", ".join(undated(each) for each in sorted(tags(value))) or value
