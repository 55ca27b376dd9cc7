"""`portal lag`: how far behind the read models are."""

import json
import time

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.cli.operate import operate
from app.ingest.lag import Lag, measure


@click.command()
@click.option("--watch", is_flag=True, help="Again every two seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def lag(watch: bool, as_json: bool) -> None:
    """Show how far behind the read models are: feeds, inbox, delays, drift, what is parked.

    A feed is as old as its last answer, keepalives counted, so a dead one never looks like one that is up to date.
    """
    while True:
        found = operate(lambda resources: measure(resources.pool))
        click.echo(json.dumps(msgspec.to_builtins(found), default=str)) if as_json else _show(found)
        if not watch:
            return
        time.sleep(2)


def _show(found: Lag) -> None:
    feeds = Table("feed", "state", "silent", "last event", "leader", "error", box=SIMPLE_HEAD)
    for feed in found.feeds:
        last = f"{feed.last_event_at:%m-%d %H:%M:%S}" if feed.last_event_at else "—"
        feeds.add_row(feed.feed, feed.state, f"{feed.silent_seconds:.0f} s", last, feed.leader or "—", feed.error or "")
    lanes = Table("lane", "open", "oldest", "settled in the last minute", box=SIMPLE_HEAD)
    for lane in found.lanes:
        lanes.add_row(lane.lane, str(lane.open), f"{lane.oldest_seconds:.1f} s", str(lane.settled_last_minute))
    delays = Table("origin", "changes", "p50", "p99", box=SIMPLE_HEAD)
    for delay in found.delays:
        delays.add_row(delay.origin, str(delay.changes), f"{delay.p50_ms:.0f} ms", f"{delay.p99_ms:.0f} ms")
    drift = Table("reconciled", "checked", "differing", "at", box=SIMPLE_HEAD)
    for each in found.drift:
        at = f"{each.checked_at:%m-%d %H:%M:%S}"
        drift.add_row(f"{each.source} {each.object}", str(each.checked), str(each.differing), at)
    console = Console()
    for table in (feeds, lanes, delays, drift):
        if table.rows:
            console.print(table)
    console.print(f"dead letters {found.dead_letters} · untold notices {found.untold} · fan-outs {found.fanouts}")
