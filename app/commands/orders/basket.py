"""The products that a customer wants to order: the body of `POST /api/orders` and `POST /api/orders/check`.

Details that depend on the products (an EID, a region, a reservation number) are optional here; the order rules report
all that are missing, by field.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from app.inputs.domain import Domain
from app.inputs.numbers import Country, Digits, Postcode, PromoCode
from app.inputs.text import Line, LineOrNothing

ShortText = Annotated[LineOrNothing, Meta(max_length=100)]
UpTo40 = Annotated[LineOrNothing, Meta(max_length=40)]
Number = Annotated[Digits, Meta(max_length=100)]
Site = Annotated[Domain, Meta(max_length=253)]
PromotionCode = Annotated[PromoCode, Meta(min_length=1, max_length=50)]
Required = Annotated[Line, Meta(min_length=1, max_length=100)]


class BasketItem(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One product. Every item becomes one service with its own configuration, so the quantity is 1."""

    sku: Annotated[str, Meta(min_length=1, max_length=180, description="As the catalog names it.")]
    quantity: Annotated[int, Meta(ge=1, le=1, description="Always 1: order again for a second service.")] = 1


class NumberTransfer(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The transfer of a mobile number (MNP). Names must equal those registered at the current carrier."""

    reservation_number: Annotated[Number, Meta(description="Ten digits, issued by the current carrier.")] = ""
    expires_on: Annotated[date | None, Meta(description="Last day of the reservation.")] = None
    phone_number: Annotated[Number, Meta(description="The number; hyphens between the digits are dropped.")] = ""
    last_name: ShortText = ""
    first_name: ShortText = ""
    last_name_kana: Annotated[ShortText, Meta(description="Full-width katakana.")] = ""
    first_name_kana: Annotated[ShortText, Meta(description="Full-width katakana.")] = ""
    gender: Literal["male", "female", "corporate"] | None = None
    """The gender that is registered at the current carrier."""
    birthday: date | None = None
    """The date of birth of the contract's holder."""


class Configuration(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The configuration of the ordered services."""

    sim_type: Annotated[Literal["esim", "physical"] | None, Meta(description="For SIM plans.")] = None
    eid: Annotated[Number | None, Meta(description="The phone's eSIM id, 32 digits; for an eSIM.")] = None
    mnp: Annotated[NumberTransfer | None, Meta(description="For a number that is transferred.")] = None
    access_mode: Annotated[
        Literal["ipoe_own_router", "ipoe_home_gateway", "pppoe"] | None, Meta(description="For Internet plans.")
    ] = None
    vpn_region: Annotated[UpTo40 | None, Meta(description="As the catalog lists it; for VPN plans.")] = None
    domain: Annotated[Site | None, Meta(description="Main domain, in any script; for hosting plans.")] = None


class OrderAddress(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A postal address; `country` is ISO 3166 alpha-2."""

    address1: Required
    address2: ShortText = ""
    city: Required
    state: Required
    """Prefecture, state or province; in Japan one of the 47, in kanji or letters."""
    postcode: Annotated[Postcode, Meta(min_length=1, max_length=20)]
    country: Annotated[Country, Meta(max_length=10)]


class Basket(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Products with their configuration and address."""

    items: Annotated[list[BasketItem], Meta(min_length=1, max_length=20)]
    """The products to order."""
    configuration: Configuration = field(default_factory=Configuration)
    """What has to be chosen for the products."""
    address: Annotated[OrderAddress | None, Meta(description="When it differs from the billing address on file.")] = (
        None
    )
    promo_code: Annotated[PromotionCode | None, Meta(description="A promotion code; one per order.")] = None
    address_confirmed: Annotated[bool, Meta(description="The customer confirmed the installation address.")] = False
