"""`portal demo`: starts everything, then runs the journey with a timeline."""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

import click
from rich.console import Console

from app.cli.demo.journey import Journey
from app.cli.demo.timeline import JourneyStep, JourneySummary, Printer
from app.cli.demo.timeline import as_json as timeline_json
from app.cli.demo.visitor import JourneyError
from app.cli.stack.running import explained, held, ready_text, say, wait_until_stopped
from app.cli.stack.up import Stack, home

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C ended."""


def run_demo(*, leave: bool, as_json: bool) -> int:
    """Start the stack, run the journey, and stay up unless told to leave; returns 0 if every step succeeded."""
    status = INTERRUPTED
    stack = Stack((lambda line: None) if as_json else say)
    with explained(), held(stack):
        summary = _live(stack, as_json=as_json)
        status = 0 if summary.held else 1
        if not leave and summary.held:
            click.echo(_next(stack.state), err=as_json)
            wait_until_stopped()
    return status


def _live(stack: Stack, *, as_json: bool) -> JourneySummary:
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    state = stack.start()
    start_ms = (time.monotonic() - began) * 1000
    printer = Printer(console)
    if not as_json:
        console.print("\n[bold]One new customer, from sign-up to a paid invoice[/bold]\n")

    def report(step: JourneyStep) -> None:
        if not as_json:
            printer.step(step)

    journey = Journey(state, report)
    problem = ""
    try:
        asyncio.run(journey.live())
    except JourneyError as error:
        problem = str(error)
    summary = _summary(journey, problem, start_ms)
    if as_json:
        sys.stdout.write(json.dumps(timeline_json(journey.steps, summary)) + "\n")
        sys.stdout.flush()
    else:
        printer.summary(summary)
    return summary


def _summary(journey: Journey, problem: str, start_ms: float) -> JourneySummary:
    lags = sorted(step.lag_ms for step in journey.steps if step.lag_ms is not None)
    return JourneySummary(
        held=not problem and journey.upstream_calls == 0,
        problem=problem,
        journey_ms=journey.steps[-1].at_ms if journey.steps else 0.0,
        start_ms=start_ms,
        lag_min_ms=lags[0] if lags else None,
        lag_median_ms=statistics.median(lags) if lags else None,
        lag_max_ms=lags[-1] if lags else None,
        queries=journey.queries,
        upstream_calls_by_queries=journey.upstream_calls,
    )


def _next(state: dict[str, Any]) -> str:
    """Compose suggestions for what to try while it stays up."""
    api, control = state["api_url"], state["control_url"]
    customer = next(each for each in state["customers"] if each["portal"])
    body = json.dumps({"email": customer["email"], "password": customer["password"]})
    down = json.dumps({"upstream": "whmcs", "kind": "down"})
    lines = [
        ready_text(state, home() / "state.json"),
        "",
        "Try next:",
        f"  curl {api}/api/public/services/internet",
        f"  curl -X POST {api}/api/auth/login -H 'content-type: application/json' -d '{body}'",
        f"  curl -X POST {control}/faults -d '{down}'   # take WHMCS down: every query still answers",
        f"  curl -X DELETE {control}/faults",
    ]
    return "\n".join(lines)
