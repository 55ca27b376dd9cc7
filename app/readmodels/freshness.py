"""Freshness: when each WHMCS list of an account was last read whole, and how old it may grow unverified."""

from app.readmodels.table import Table

TABLE = Table("freshness", "resource", {"account_id": "uuid", "resource": "text", "verified_at": "timestamptz"})

BOUND_SECONDS = {
    "client_invoices": 90,
    "invoice": 300,
    "client_services": 300,
    "service": 600,
    "pay_methods": 900,
    "gateways": 3_600,
    "client": 1_800,
}
"""WHMCS resource → age in seconds past which a read has a worker verify it (design.md, Freshness)."""
