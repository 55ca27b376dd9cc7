"""A rule for text that somebody types: `Annotated[str, RULE]` in a body's type makes `body.read` apply it."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct


class Unfit(ValueError):
    """The text cannot be used: a stable code, a sentence with the way forward, and the code's parameters."""

    def __init__(self, code: str, message: str, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.params = code, message, dict(params or {})


class Rule(Struct, frozen=True):
    """Brings a text into its usual spelling.

    Attributes:
        usual: the usual spelling; raises `Unfit`.
        may_be_blank: whether nothing at all is an answer, too.
    """

    usual: Callable[[str], str]
    may_be_blank: bool = False

    def read(self, text: str) -> str:
        """The text in its usual spelling.

        Raises:
            Unfit: it breaks the rule, or is blank.
        """
        usual = self.usual(text) if text else text
        if not usual and not self.may_be_blank:
            raise Unfit("field_empty", "Please fill this in.")
        return usual
