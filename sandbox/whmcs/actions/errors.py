"""How an API action refuses."""


class Refused(Exception):
    """A business error: `result: error` under HTTP 200, told apart by its sentence only."""


class Forbidden(Exception):
    """A refusal at the gates: HTTP 403 with the same JSON shape."""
