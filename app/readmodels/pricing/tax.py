"""Consumption tax: prices with it, or null where the rate is unknown. A rate is never guessed.

WHMCS says whether it taxes, whether its prices contain the tax, and who is exempt; that is mirrored. Its tax rules it
tells nobody, so the rates by country are a setting (`TAX_RATES`), which `portal doctor` compares with what it bills.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from app.intake import parse
from app.money import Money, money
from app.settings import SettingsError

TaxRates = Mapping[str, Decimal]
"""Country, or `*` for every other → percent."""
TaxWord = Literal["excluded", "included"]
EVERY_OTHER = "*"
DOCUMENT = "tax"
MOST_PERCENT = 100


class TaxTreatment(Struct, frozen=True, kw_only=True):
    """How the billing system treats tax; null where it does not say. `included`: its prices contain the tax."""

    enabled: bool | None
    included: bool | None


class Tax(Struct, frozen=True, kw_only=True):
    """The tax on prices for somebody: `rate` in percent, None if unknown; `included` if the prices contain it."""

    rate: Decimal | None
    included: bool = False

    @property
    def word(self) -> TaxWord:
        """Tell whether the prices themselves contain the tax."""
        return "included" if self.included else "excluded"

    @property
    def shown_rate(self) -> str | None:
        """The rate in percent as documents show it, such as `10`; None if unknown."""
        return None if self.rate is None else f"{self.rate.normalize():f}"

    def with_tax(self, amount: Decimal, currency: str) -> Money | None:
        """Return an amount with tax, in whole units of the currency's smallest coin; None if the rate is unknown."""
        if self.included:
            return money(amount, currency)
        return None if self.rate is None else money(amount * (100 + self.rate) / 100, currency)


UNKNOWN = Tax(rate=None)


def tax_for(treatment: TaxTreatment | None, rates: TaxRates, country: str | None, exempt: bool | None) -> Tax:
    """Return the tax on what somebody in a country buys. `exempt` is None if unknown."""
    if treatment is None or treatment.enabled is None or treatment.included is None:
        return UNKNOWN
    if not treatment.enabled:
        return Tax(rate=Decimal(0))
    if exempt is None or (exempt and treatment.included):  # nothing says what WHMCS then makes of its prices
        return Tax(rate=None, included=treatment.included)
    if exempt:
        return Tax(rate=Decimal(0))
    return Tax(rate=rates.get((country or "").upper(), rates.get(EVERY_OTHER)), included=treatment.included)


def public_tax(treatment: TaxTreatment | None, rates: TaxRates) -> Tax:
    """Return the tax that the public catalog shows: that of the country named first."""
    return tax_for(treatment, rates, next(iter(rates), None), exempt=False)


def tax_rates(setting: str) -> TaxRates:
    """Parse `JP=10,*=0` to percents by country.

    Raises:
        SettingsError: an entry that is no country and percentage.
    """
    found: dict[str, Decimal] = {}
    for pair in filter(None, (each.strip() for each in setting.split(","))):
        country, _, percent = (each.strip() for each in pair.partition("="))
        rate = parse.money(percent)
        known = country == EVERY_OTHER or (len(country) == 2 and country.isascii() and country.isalpha())
        if not known or rate is None or not 0 <= rate <= MOST_PERCENT:
            raise SettingsError(f"TAX_RATES has {pair!r}: write COUNTRY=percent, such as JP=10, or *=percent.")
        found[country.upper()] = rate
    return found
