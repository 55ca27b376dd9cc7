"""The versions that are served at this instant: which one a request gets, and why another is refused."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from app.errors import InvalidRequest, Violation
from app.http.policies.ending import HeaderPairs, ending_headers
from app.http.versions.adapter import Adapter, adapters
from app.http.versions.registry import REMOVED, VERSIONS
from app.http.versions.version import ContractVersion
from app.words.sentence import say, together

HEADER = "Portal-Version"
LONGEST_SHOWN = 40


class ServedVersion(Struct, frozen=True, eq=False):
    """A version as requests meet it.

    Attributes:
        adapters: by operation; empty for the newest version.
        headers: what each of its answers has.
    """

    version: ContractVersion
    adapters: Mapping[str, Adapter]
    headers: HeaderPairs

    @property
    def name(self) -> str:
        """The name as the header has it."""
        return self.version.name


class Contract:
    """The registered versions. `clock` returns seconds since the epoch.

    Without the header a request gets the oldest version that is still served, so that what works without it goes on
    to work until that version ends (docs/decisions/0020-callers-without-a-version.md).
    """

    def __init__(
        self,
        versions: Sequence[ContractVersion] = VERSIONS,
        removed: Iterable[str] = REMOVED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _check(versions)
        self._clock, self._removed = clock, frozenset(removed)
        self.versions = [_served(versions, each) for each in versions]
        self._changes_at = 0.0
        self._default = self.versions[-1]
        self._by_header: dict[bytes, ServedVersion] = {}

    def asked(self, header: bytes | None) -> ServedVersion | None:
        """Return the version that a request with this header gets; None where it is refused."""
        if self._clock() >= self._changes_at:
            self._look_at_the_clock()
        return self._default if header is None else self._by_header.get(header)

    @property
    def default(self) -> ServedVersion:
        """The version of requests that name none."""
        found = self.asked(None)
        assert found is not None
        return found

    @property
    def names(self) -> list[str]:
        """The names of the versions that are served, the newest first."""
        self.asked(None)
        return sorted((each.name for each in self._by_header.values()), reverse=True)

    def refusal(self, header: bytes) -> InvalidRequest:
        """Say why a version is not served."""
        name, names = header.decode("latin-1")[:LONGEST_SHOWN], self.names
        ended = name in self._removed or name in {each.name for each in self.versions}
        code = "version_removed" if ended else "version_unknown"
        wrong = say("problems.version_removed") if ended else say("problems.version_unknown")
        sentence = together(wrong, say("problems.version_choices", header=HEADER, choices=names))
        return InvalidRequest(sentence, code=code, errors=[Violation(HEADER, code, sentence, {"choices": names})])

    def overdue(self) -> list[str]:
        """List the versions that ended so long ago that they must have left the code."""
        now = self._clock()
        return [each.name for each in self.versions if each.version.ending and each.version.ending.is_overdue(now)]

    def require_operations(self, names: Iterable[str]) -> None:
        """Refuse versions that change operations that do not exist.

        Raises:
            ValueError: names them.
        """
        unknown = {operation for each in self.versions for operation in each.adapters} - set(names)
        if unknown:
            raise ValueError(f"A version changes operations that no route has: {', '.join(sorted(unknown))}.")

    def _look_at_the_clock(self) -> None:
        """Choose what is served from now until the next end."""
        now = self._clock()
        endings = [each.version.ending for each in self.versions]
        left = [
            served for served, end in zip(self.versions, endings, strict=True) if end is None or not end.is_past(now)
        ]
        self._by_header = {each.name.encode(): each for each in left}
        self._default = left[0]
        self._changes_at = min((end.ends_at for end in endings if end and not end.is_past(now)), default=float("inf"))


def _served(versions: Sequence[ContractVersion], version: ContractVersion) -> ServedVersion:
    named = (HEADER.lower().encode(), version.name.encode())
    return ServedVersion(version, adapters(versions, version), [named, *ending_headers([version.ending])])


def _check(versions: Sequence[ContractVersion]) -> None:
    """Refuse a registration that contradicts itself.

    Raises:
        ValueError: says how.
    """
    days = [each.day for each in versions]
    if not days or days != sorted(set(days)):
        raise ValueError("Versions are registered by their day, the newest last, each once.")
    if versions[-1].changes or versions[-1].ending:
        raise ValueError("The newest version has nothing to lead back to, and no end before it has a successor.")
    if unchanged := [each.name for each in versions[:-1] if not each.changes]:
        raise ValueError(f"The successor of {', '.join(unchanged)} changes nothing, so it is no version of its own.")
    ends = [each.ending.ends_at if each.ending else float("inf") for each in versions]
    if ends != sorted(ends):
        raise ValueError("A version ends after its successor.")
