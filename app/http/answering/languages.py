"""The language of an answer: what `Accept-Language` prefers, else the customer's own, else English."""

from collections.abc import Mapping
from typing import Any

from litestar.handlers.base import BaseRouteHandler

from app.http.answering.handler_memo import kept_with
from app.words.languages import DEFAULT, Language, preferred
from app.words.worded import has_sentences, translated

HEADER = b"accept-language"


def language_of(scope: Any) -> Language:
    """Return the language for a request. Before the guards have run, nobody's own language is known."""
    lines = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == HEADER]
    actor = (scope.get("state") or {}).get("actor")
    return preferred(", ".join(lines)) or (actor and actor.language) or DEFAULT


def is_worded(handler: BaseRouteHandler) -> bool:
    """Return whether the answers of a route can have sentences."""
    return kept_with(handler, _is_worded)


def _is_worded(handler: BaseRouteHandler) -> bool:
    responses: Mapping[int, Any] = getattr(handler, "responses", None) or {}
    return any(has_sentences(each.data_container) for each in responses.values())


def in_own_words(scope: Any, handler: BaseRouteHandler, body: bytes) -> tuple[bytes, dict[str, str]]:
    """Say a JSON body in the language of a request; with the headers that tell. Answers without sentences stay."""
    if not is_worded(handler):
        return body, {}
    language = language_of(scope)
    return translated(body, language), {"Content-Language": language, "Vary": "Accept-Language"}
