"""How much is measured."""

from msgspec import Struct


class Options(Struct, frozen=True, kw_only=True):
    """Of one run. `quick` shows that everything works; its figures mean little."""

    quick: bool = False
    rounds: int = 5
    accounts: int = 500
