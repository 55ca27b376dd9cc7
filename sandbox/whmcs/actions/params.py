"""The parameters of one API call, read as WHMCS reads them: unknown ones are never noticed."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.whmcs import forms
from sandbox.whmcs.actions.errors import Refused

DEFAULT_PAGE = 25


@dataclass(frozen=True)
class Params:
    """A form as PHP parsed it."""

    fields: dict[str, Any]

    def given(self, name: str) -> bool:
        """Return whether the parameter was sent, empty or not."""
        return name in self.fields

    def text(self, name: str, default: str = "") -> str:
        """Return a scalar; an array in its place counts as absent."""
        value = self.fields.get(name, default)
        return value if isinstance(value, str) else default

    def number(self, *names: str) -> int:
        """Return the id under the first of these names that was sent; 0 for none or no number."""
        text = next((self.text(name) for name in names if self.text(name)), "").strip()
        return int(text) if text.isdecimal() else 0

    def flag(self, name: str) -> bool:
        """PHP's truth: the text `false` is true."""
        return self.text(name) not in ("", "0")

    def money(self, name: str, default: Decimal) -> Decimal:
        """Return an amount, or the default when it is missing.

        Raises:
            Refused: not in decimal format.
        """
        text = self.text(name).strip()
        if not text:
            return default
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite():
            raise Refused("Amount must be in decimal format: ### or ###.##")
        return amount.quantize(Decimal("0.01"))

    def array(self, name: str) -> dict[str, Any]:
        """Return a PHP array, keys as text.

        Raises:
            Refused: a scalar was sent.
        """
        value = self.fields.get(name, {})
        if not isinstance(value, dict):
            raise Refused(f"Expecting parameter '{name}' to be an array")
        return value

    def serialized(self, name: str) -> dict[Any, Any]:
        """Return a map in base64 over PHP's serialisation; empty when it is missing."""
        text = self.text(name)
        return forms.unserialized(text, name) if text else {}

    def window(self) -> tuple[int, int]:
        """Offset and size of the page asked for."""
        return self.number("limitstart"), self.number("limitnum") or DEFAULT_PAGE
