"""The terms on which an account, or a visitor, is shown prices: currency and tax.

Reads: read_model.profiles, document `tax`.
"""

from uuid import UUID

from msgspec import Struct

from app.db import Db
from app.readmodels.pricing.prices import currency_code, tax_treatment
from app.readmodels.pricing.tax import Tax, TaxRates, public_tax, tax_for

_PROFILE = "SELECT currency, country, tax_exempt FROM read_model.profiles WHERE account_id = $1"


class Terms(Struct, frozen=True, kw_only=True):
    """The currency that somebody is billed in, None if unknown, and the tax on their prices."""

    currency: str | None
    tax: Tax


async def terms_of(db: Db, rates: TaxRates, account_id: UUID) -> Terms:
    """Return the terms of an account, as its billing profile has them."""
    treatment = await tax_treatment(db)
    profile = await db.fetchrow(_PROFILE, account_id)
    if profile is None:
        return Terms(currency=None, tax=tax_for(treatment, rates, None, exempt=None))
    return Terms(
        currency=currency_code(profile["currency"]) or None,
        tax=tax_for(treatment, rates, profile["country"], profile["tax_exempt"]),
    )


async def public_terms(db: Db, rates: TaxRates) -> Terms:
    """Return the terms of the public catalog, which is in the price book's currency."""
    return Terms(currency=None, tax=public_tax(await tax_treatment(db), rates))
