"""What an item of a list is found by: its numbers and names, folded as the words of a search are."""

from app.intake.words import folded

LONGEST = 4_000


def search_text(*parts: str | None) -> str:
    """Join the parts, one a line, so that no search finds the end of one with the beginning of the next."""
    found = dict.fromkeys(folded(part) for part in parts)
    return "\n".join(filter(None, found))[:LONGEST]
