"""What handlers are given by the frame, and how they say what they answer."""

from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from app.commands.execution.context import Actor

Caller = NamedDependency[Actor]
"""Who asks, as `app/http/guards/authentication.py` found out: a session's user and account; nobody on open routes."""


def answers(kind: type, description: str, *, status: int = 200) -> dict[int, ResponseSpec]:
    """What a handler that answers ready bytes says in the OpenAPI document. Without examples: made-up ones differ from
    run to run."""
    return {status: ResponseSpec(kind, generate_examples=False, description=description)}
