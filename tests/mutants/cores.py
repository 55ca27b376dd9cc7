"""The pure cores, the tests that must notice a change of each, and the changes that nothing can notice."""

from msgspec import Struct


class Core(Struct, frozen=True):
    """A module whose every decision is tested without an engine.

    Attributes:
        path: the module.
        tests: pytest arguments that must fail for each mutant.
        only: names of the functions that are mutated; all when empty.
        equivalent: mutants that behave as the original does, by their description, with the reason.
    """

    path: str
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()
    equivalent: tuple[tuple[str, str], ...] = ()


CORES: dict[str, Core] = {
    "merge": Core("app/ingest/mirror.py", ("tests/ingest/test_merge_laws.py",), only=("merge", "_tie", "_newer")),
    "order rules": Core("app/commands/order_rules.py", ("tests/commands/test_order_rules.py",)),
    "invoice lines": Core("app/projections/invoice_lines.py", ("tests/projections/test_invoices.py",)),
    "prices": Core("app/readmodels/money.py", ("tests/readmodels/test_money.py",)),
    "passwords": Core("app/commands/passwords.py", ("tests/commands/test_passwords.py",), only=("weakness",)),
    "client addresses": Core("app/http/addresses.py", ("tests/http/test_addresses.py",)),
    "cursors": Core("app/http/signed.py", ("tests/http/test_signed.py",)),
    "webhook signatures": Core("app/integrations/signed_webhook.py", ("tests/integrations/test_signed_webhook.py",)),
    "field parsers": Core("app/intake/parse.py", ("tests/intake/test_parse.py",)),
    "text intake": Core("app/intake/text.py", ("tests/intake/test_text.py",)),
}
