"""A rule for typed text: `Annotated[str, RULE]` in a body's type makes `body.read` apply it."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from app.words.sentence import say


class Unfit(ValueError):
    """A text that breaks its rule: a stable code, a sentence that says how to correct it, and the code's parameters."""

    def __init__(self, code: str, message: str, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.params = code, message, dict(params or {})


class Rule(Struct, frozen=True):
    """A normalisation with validation.

    Attributes:
        usual: returns the normalised text; raises `Unfit`.
        may_be_blank: accepts an empty text.
    """

    usual: Callable[[str], str]
    may_be_blank: bool = False

    def read(self, text: str) -> str:
        """Normalise the text.

        Raises:
            Unfit: it breaks the rule, or is blank.
        """
        usual = self.usual(text) if text else text
        if not usual and not self.may_be_blank:
            raise Unfit("field_empty", say("fields.empty"))
        return usual
