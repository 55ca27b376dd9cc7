"""The `portal` command: processes, migrations, demo, and operators' commands."""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import click

from app.cli.as_json import AS_JSON
from app.cli.command_settings import load_settings
from app.cli.doctor import doctor
from app.cli.operators.automation import automation
from app.cli.operators.backfill import backfill
from app.cli.operators.captures import captures
from app.cli.operators.dead_letters import dead_letters
from app.cli.operators.dunning import dunning
from app.cli.operators.end_sessions import end_sessions
from app.cli.operators.explain import explain
from app.cli.operators.fulfilments import fulfilments
from app.cli.operators.invite import invite
from app.cli.operators.lag import lag
from app.cli.operators.personal_data import erase_customer, export_customer
from app.cli.operators.providers import providers, whm
from app.cli.operators.rebuild import rebuild
from app.cli.operators.reconcile import reconcile
from app.cli.operators.reseal import reseal
from app.cli.operators.schedule import schedule
from app.cli.operators.services import services
from app.cli.operators.staff import forget_second_factor, staff
from app.cli.queue import queue


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="customer-portal", prog_name="portal", message="%(prog)s %(version)s")
def main() -> None:
    """The customer portal: one API in front of Salesforce, WHMCS, Freebit and WHM.

    Try `portal demo` first. `portal up` starts everything on this machine and keeps it running; `portal api`, `worker`
    and `cdc` are the processes of a real installation, configured by the environment (see .env.example).
    """


@main.command()
@click.option("--state-file", type=click.Path(path_type=Path), help="Where to write URLs, credentials and customers.")
@click.option("--no-sandbox", is_flag=True, help="Call the upstreams that the environment names.")
@click.option("--strict", is_flag=True, help="With the rate limits and pauses of an installation.")
def up(state_file: Path | None, no_sandbox: bool, strict: bool) -> None:
    """Start engines, sandbox, worker, listener and API, and keep them running. Ctrl-C stops them."""
    from app.cli.stack.running import run_until_stopped

    run_until_stopped(state_file, sandbox=not no_sandbox, strict=strict)


@main.command()
@click.option("--exit", "leave", is_flag=True, help="Stop after the journey instead of staying up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the timeline.")
def demo(leave: bool, as_json: bool) -> None:
    """Run the whole journey of one new customer: sign-up, order, activation, invoice, payment."""
    from app.cli.demo.demo import run_demo

    sys.exit(run_demo(leave=leave, as_json=as_json))


@main.command()
def api() -> None:
    """Serve the HTTP API. On SIGTERM, finish running requests and stop; see deploy/README.md for restarts."""
    from app.cli.stack.running import explained
    from app.http.guards.client_address import check_networks
    from app.processes.prefork import ParentServer

    loaded = load_settings()
    with explained():
        check_networks(loaded)
    ParentServer(loaded).serve()


@main.command()
def worker() -> None:
    """Apply the inbox to the read models, re-read records named by hints, and drive fulfilment."""
    from app.cli.stack.running import explained
    from app.processes.worker import run

    with explained():
        run(load_settings())


@main.command()
def cdc() -> None:
    """Follow Salesforce's change events. Several processes may run; one of them leads."""
    from app.cli.stack.running import explained
    from app.processes.cdc import run

    with explained():
        run(load_settings())


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sandbox(arguments: tuple[str, ...]) -> None:
    """Run only the stand-ins of the four upstreams (portal sandbox --help)."""
    from app.cli.stack.up import NO_STAND_INS

    if importlib.util.find_spec("sandbox") is None:
        click.echo(f"portal: {NO_STAND_INS}", err=True)
        sys.exit(1)
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", *arguments])  # noqa: S606


@main.command()
@click.option(
    "--audience", type=click.Choice(["customer", "operator", "inbound"]), help="Of one audience; else of all."
)
def openapi(audience: Any) -> None:
    """Print the OpenAPI document, as `/schema` serves it by audience."""
    from app.cli.document import openapi_document

    click.echo(openapi_document(audience))


@main.command()
@AS_JSON
def routes(as_json: bool) -> None:
    """List every route: who may call it, how it is limited, which command it runs, which problems it answers.

    Needs no settings and no engine. Staff sessions are limited as `staff` wherever they are let in.
    """
    from app.cli.routes import print_routes

    print_routes(as_json=as_json)


@main.command()
@click.argument("direction", type=click.Choice(["up", "down"]), default="up")
@click.option("--revision", help="Stop at this revision; default: the newest for up, none for down.")
@click.option(
    "--runtime-role", envvar="RUNTIME_ROLE", help="Grant the processes' role its rights, if it differs from this one."
)
@AS_JSON
def migrate(direction: str, revision: str | None, runtime_role: str | None, as_json: bool) -> None:
    """Migrate the database to the newest revision, or revert migrations. Needs only DATABASE_URL."""
    from app.cli import migrate as migrations
    from app.cli import runtime_role as roles

    url = os.environ.get("DATABASE_URL")
    if not url:
        click.echo("portal: DATABASE_URL is not set: it names the database to migrate. See .env.example.", err=True)
        sys.exit(2)
    target = revision or ("head" if direction == "up" else "base")
    started = time.monotonic()
    (migrations.up if direction == "up" else migrations.down)(url, target)
    if runtime_role and direction == "up":
        roles.grant(url, runtime_role)
    took_ms = round((time.monotonic() - started) * 1000)
    line = {"direction": direction, "revision": target, "took_ms": took_ms}
    click.echo(json.dumps(line) if as_json else f"Migrated {direction} to {target} in {took_ms} ms.")


OPERATIONS: tuple[click.Command, ...] = (
    *(doctor, lag, backfill, reconcile, rebuild, dead_letters, explain, fulfilments, services, providers, whm),
    *(schedule, automation, captures, dunning, queue),
    *(staff, forget_second_factor, invite, export_customer, erase_customer, reseal, end_sessions),
)
"""Operators' commands, each in a module of its own."""

for operation in OPERATIONS:
    main.add_command(operation)
