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
        ("app/ingest/merging.py",),
        ("tests/ingest/test_mirror_merge.py", "tests/ingest/test_merge_laws.py"),
    ),
    "order rules": Core(("app/commands/order_rules.py",), ("tests/commands/test_order_rules.py",)),
    "invoice lines": Core(("app/projections/invoice_lines.py",), ("tests/projections/test_invoice_lines.py",)),
    "prices": Core(
        ("app/readmodels/money.py", "app/projections/offers.py"),
        ("tests/readmodels/test_money.py", "tests/projections/test_offers.py"),
        equivalent=(("money.rounded+2: 1 -> 2", "only the exponent of what `quantize` is given counts"),),
    ),
    "password rules": Core(
        ("app/commands/password_strength.py",),
        ("tests/commands/test_password_strength.py", "tests/commands/test_passwords.py"),
        only=("judged", "_underrated", "_is_made_of", "_bounded", "_words"),
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
    "cursors": Core(("app/http/signed.py", "app/keyring.py"), ("tests/http/test_signed.py", "tests/test_keyring.py")),
    "formulas": Core(("app/intake/formulas.py",), ("tests/intake/test_formulas.py",)),
    "webhook signatures": Core(("app/integrations/signed_webhook.py",), ("tests/integrations/test_signed_webhook.py",)),
    "field parsers": Core(
        ("app/intake/parse.py", "app/intake/fields.py"),
        ("tests/intake/test_parse.py", "tests/intake/test_fields.py"),
    ),
    "text intake": Core(("app/intake/text.py",), ("tests/intake/test_text.py",)),
    "eligibility words": Core(("app/readmodels/eligibility.py",), ("tests/projections/test_eligibility.py",)),
    "categories": Core(("app/projections/categories.py",), ("tests/projections/test_category_of.py",)),
}
