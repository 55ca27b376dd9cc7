"""The pure cores, the tests that must notice a change of each, and the changes that nothing can notice."""

from msgspec import Struct


class Core(Struct, frozen=True):
    """Modules whose every decision is tested without an engine.

    Attributes:
        paths: the modules.
        tests: pytest arguments that must fail for each mutant; the fastest first.
        only: names of the functions that are mutated; all when empty.
        equivalent: mutants that behave as the original does, by their description, with the reason.
    """

    paths: tuple[str, ...]
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()
    equivalent: tuple[tuple[str, str], ...] = ()


CORES: dict[str, Core] = {
    "merge": Core(
        ("app/ingest/apply/merging.py",),
        ("tests/ingest/apply/test_merging.py", "tests/ingest/apply/test_merge_laws.py"),
    ),
    "order rules": Core(
        ("app/commands/orders/rules.py", "app/ordering/availability.py", "app/ordering/composition.py"),
        ("tests/commands/orders/test_rules.py", "tests/ordering/test_composition.py"),
    ),
    "invoice lines": Core(
        ("app/projections/parts/invoice_lines.py",), ("tests/projections/parts/test_invoice_lines.py",)
    ),
    "prices": Core(
        ("app/money.py", "app/projections/parts/offers.py"),
        ("tests/test_money.py", "tests/projections/parts/test_offers.py"),
        equivalent=(("money.rounded+2: 1 -> 2", "only the exponent of what `quantize` is given counts"),),
    ),
    "password rules": Core(
        ("app/commands/identity/password_strength.py",),
        ("tests/commands/identity/test_password_strength.py", "tests/commands/identity/test_passwords.py"),
        only=("rate", "_underrated", "_is_made_of", "_bounded", "_words"),
    ),
    "client addresses": Core(
        ("app/intake/addresses.py",),
        ("tests/intake/test_addresses.py",),
        equivalent=(
            (
                "addresses.client+9: trusted and forwarded -> trusted or forwarded",
                "nobody is within no networks, and of no lines no hop is read",
            ),
        ),
    ),
    "freshness": Core(("app/readmodels/freshness.py",), ("tests/readmodels/test_freshness.py",)),
    "capabilities": Core(
        ("app/readmodels/ordering/capabilities.py",), ("tests/readmodels/ordering/test_capabilities.py",)
    ),
    "recovery": Core(("app/clock/recovery.py",), ("tests/clock/test_recovery.py",)),
    "cursors": Core(
        ("app/http/answering/signed_tokens.py", "app/keyring.py"),
        ("tests/http/answering/test_signed_tokens.py", "tests/test_keyring.py"),
    ),
    "formulas": Core(("app/intake/formulas.py",), ("tests/intake/test_formulas.py",)),
    "webhook signatures": Core(("app/integrations/signed_webhook.py",), ("tests/integrations/test_signed_webhook.py",)),
    "field parsers": Core(
        ("app/intake/parse.py", "app/intake/fields.py"),
        ("tests/intake/test_parse.py", "tests/intake/test_fields.py"),
    ),
    "text intake": Core(("app/intake/text.py",), ("tests/intake/test_text.py",)),
    "eligibility words": Core(("app/readmodels/ordering/eligibility.py",), ("tests/projections/test_eligibility.py",)),
    "services": Core(("app/readmodels/services.py",), ("tests/readmodels/test_what_is_a_charge.py",)),
    "promotions": Core(
        ("app/commands/orders/promotion_conditions.py", "app/commands/orders/promotion_terms.py"),
        ("tests/commands/orders/test_promotion_conditions.py",),
    ),
    "billing cycles": Core(("app/intake/billing_cycles.py",), ("tests/intake/test_billing_cycles.py",)),
    "dunning": Core(
        ("app/commands/dunning/decide.py", "app/commands/dunning/schedule.py"),
        ("tests/commands/dunning/test_decide.py", "tests/commands/dunning/test_schedule.py"),
        equivalent=(
            ("decide._chargeable+3: return () -> return None", "what calls it asks only whether there is any"),
        ),
    ),
    "categories": Core(("app/projections/parts/categories.py",), ("tests/projections/parts/test_category_of.py",)),
}
