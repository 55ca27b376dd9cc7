"""What handlers are given by the frame."""

from litestar.di import NamedDependency

from app.commands.context import Actor

Caller = NamedDependency[Actor]
"""Who asks, as `app/http/access.py` found out: the session's user and account, or nobody on open routes."""
