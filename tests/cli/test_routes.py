"""`portal routes` shows what the handlers declare, without settings."""

import json

from click.testing import CliRunner

from app.cli.commands import main


def test_it_prints_one_line_per_route() -> None:
    shown = CliRunner().invoke(main, ["routes"]).output.splitlines()
    placing = next(line.split() for line in shown if "POST" in line and " /api/orders " in line)
    assert placing[2:7] == ["customer", "account", "any", "place_order", "required"]
    health = next(line.split() for line in shown if "/api/health/live" in line)
    assert health[2:5] == ["anybody", "none", "any"]


def test_it_prints_one_object() -> None:
    rows = json.loads(CliRunner().invoke(main, ["routes", "--json"]).output)["routes"]
    pay = next(row for row in rows if row["path"].endswith("/pay"))
    assert (pay["limit"], pay["command"], pay["idempotency_key"]) == ("payment", "pay_invoice", "required")
    assert {402, 404, 422} <= set(pay["problems"])
    assert not pay["fast"]
