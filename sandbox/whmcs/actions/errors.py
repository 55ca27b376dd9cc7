"""Refusals of an API action."""


class Refused(Exception):
    """A business error: `result: error` under HTTP 200, identified by its sentence only."""


class Forbidden(Exception):
    """A refusal at the gates: HTTP 403 with the same JSON shape."""
