"""Remarks on a row: one sentence for each irregularity, with its consequence."""

from collections.abc import Iterator

from app.projections.explain.shapes import Explanation, ReceivedChange, Source
from app.projections.projector import Projector


def remarks(projector: Projector, found: Explanation) -> Iterator[str]:
    """Yield all remarks, the most important first."""
    yield from _of_row(projector, found)
    for source in found.sources:
        yield from _of_source(source)
    if found.generation_version != found.projector_version:
        yield (
            f"Generation {found.generation} was made by projector version {found.generation_version}, this release "
            f"has {found.projector_version}: it is rebuilt by itself, or by `portal rebuild {projector.name}`."
        )


def _of_row(projector: Projector, found: Explanation) -> Iterator[str]:
    roots = [source for source in found.sources if source.role in ("root", "member")]
    mirrored = [source for source in roots if source.record]
    if not mirrored:
        yield "It is not mirrored (yet)."
    elif all(source.record and source.record.deleted for source in mirrored):
        yield "It is deleted upstream" + (", and yet there is a row." if found.rows else ", so there is no row.")
    elif projector.scope != "global" and not found.owner_id:
        yield "The record names no owner, so it belongs to no account yet; it stays in the mirror."
    elif projector.scope != "global" and not found.account_id:
        yield f"Its owner {found.owner_id} is linked to no portal account; it stays in the mirror until it is."
    elif not found.rows:
        yield "It is mirrored and linked, but the projector yields no row for it."
    if found.account_id and any(row.account_id != found.account_id for row in found.rows):
        yield "A row stands under another account than the owner's: `portal rebuild --account` puts it right."


def _of_source(source: Source) -> Iterator[str]:
    name = f"{source.source} {source.object} {source.record_id}"
    waiting = [entry for entry in source.entries if entry.settled_at is None]
    open_letters = [letter for letter in source.letters if letter.resolution is None]
    if open_letters:
        letter = open_letters[0]
        yield (
            f"{name} is parked since {letter.parked_at:%Y-%m-%d %H:%M:%S} by dead letter {letter.id}; "
            f"{max(len(waiting) - len(open_letters), 0)} later entries wait behind it."
        )
    elif waiting:
        yield f"{name} {_waits(waiting[0])}"
    if source.role == "referred to" and source.record is None and not waiting:
        yield f"{name} is referred to, but not mirrored."


def _waits(entry: ReceivedChange) -> str:
    what = "waits to be read again upstream" if entry.kind == "hint" else "has a change that is not applied yet"
    since = f"{what}: entry {entry.id}, here since {entry.received_at:%Y-%m-%d %H:%M:%S}"
    if entry.attempts:
        return f"{since}, tried {entry.attempts} times, again at {entry.next_attempt_at:%H:%M:%S}."
    return f"{since}."
