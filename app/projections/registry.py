"""The registry of read models. A new one is a module and a line here; a test fails when the line is missing."""

from app.projections import (
    catalog,
    charges,
    eligibility,
    freshness,
    gateways,
    invoices,
    orders,
    payment_methods,
    prices,
    profiles,
    provider_accounts,
    subscriptions,
    timeline_cases,
    timeline_invoices,
    timeline_orders,
    timeline_subscriptions,
)
from app.projections.projector import Projector
from app.settings import Settings

SLICES = (
    catalog,
    charges,
    eligibility,
    freshness,
    gateways,
    invoices,
    orders,
    payment_methods,
    prices,
    profiles,
    provider_accounts,
    subscriptions,
    timeline_cases,
    timeline_invoices,
    timeline_orders,
    timeline_subscriptions,
)


def projectors(settings: Settings) -> tuple[Projector, ...]:
    """Build the projectors of this installation."""
    return tuple(module.projector(settings) for module in SLICES)


def with_previous(settings: Settings) -> tuple[Projector, ...]:
    """Build the projectors, and the former ones that modules still keep (`previous`) to feed an old generation."""
    kept = [module.previous(settings) for module in SLICES if hasattr(module, "previous")]
    return (*projectors(settings), *kept)
