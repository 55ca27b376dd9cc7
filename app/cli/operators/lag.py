"""`portal lag`: shows how far behind the portal is, in time and in count."""

import asyncio
from datetime import timedelta

import click
import msgspec
from msgspec import Struct
from redis.exceptions import RedisError
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from app.cli.operate import operate
from app.ingest.lag.latency import Latency, latencies
from app.ingest.lag.measure import measure
from app.ingest.lag.report import MOST_COUNTED, Measures, concerns
from app.integrations.admission.breaker import UpstreamAvailability, describe
from app.resources import Resources

REDIS_SECONDS = 2.0


class Lag(Struct, frozen=True, kw_only=True):
    """One measurement. `status` is `ok` or `degraded`, and `concerns` says why."""

    status: str
    concerns: list[str]
    measures: Measures
    latencies: list[Latency]
    upstreams: list[UpstreamAvailability]


@click.command()
@click.option("--watch", is_flag=True, help="Repeat every two seconds until Ctrl-C.")
@click.option(
    "--minutes",
    default=15,
    show_default=True,
    type=click.IntRange(1, 1440),
    help="Measure latencies over this many minutes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (one per line with --watch).")
def lag(watch: bool, minutes: int, as_json: bool) -> None:
    """Show how far behind the read models are: feeds, inbox, latencies, dead letters, notices, canary.

    A feed that is dead or never answered is shown as such and makes the status `degraded`; it never looks like zero
    lag.
    """
    window = timedelta(minutes=minutes)

    async def work(resources: Resources) -> None:
        if as_json or not watch:
            while True:
                found = await look(resources, window)
                click.echo(msgspec.json.encode(found).decode()) if as_json else Console().print(_shown(found, minutes))
                if not watch:
                    return
                await asyncio.sleep(2)
        with Live(console=Console(), auto_refresh=False) as live:
            while True:
                live.update(_shown(await look(resources, window), minutes), refresh=True)
                await asyncio.sleep(2)

    operate(work)


async def look(resources: Resources, window: timedelta) -> Lag:
    """Measure feeds, inbox, latencies and upstreams once."""
    settings = resources.settings
    feeds = (settings.salesforce_channel, settings.salesforce_eligibility_topic)
    measured = await measure(resources.pool, feeds)
    upstreams = resources.admission.availabilities()
    found = [*concerns(measured), *filter(None, map(describe, upstreams)), *await _of_redis(resources)]
    return Lag(
        status="degraded" if found else "ok",
        concerns=found,
        measures=measured,
        latencies=await latencies(resources.pool, window),
        upstreams=upstreams,
    )


async def _of_redis(resources: Resources) -> list[str]:
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            await resources.redis.ping()  # type: ignore[misc]
    except (RedisError, OSError, TimeoutError) as error:
        reason = type(error).__name__
        return [f"Redis does not answer ({reason}): the portal runs on, slower. Start it, and check REDIS_URL."]
    return []


def _shown(found: Lag, minutes: int) -> Group:
    m = found.measures
    counts = (
        f"dead letters {m.dead_letters.count} · pending notices {m.notices_untold.count} · fan-outs {m.fanouts.count}"
    )
    return Group(
        f"{m.at:%Y-%m-%d %H:%M:%S} UTC   [bold]{found.status}[/bold]   {counts}",
        *(f"[yellow]![/yellow] {escape(sentence)}" for sentence in found.concerns),
        _feeds(m),
        _upstreams(found.upstreams),
        _lanes(found),
        _latencies(found.latencies, minutes),
        *([_drift(m)] if m.drift else []),
        *([_unreadables(m)] if m.unreadables else []),
    )


def _feeds(m: Measures) -> Table:
    table = Table("feed", "state", "answered", "last event", "position kept", "canary", "leader", box=SIMPLE_HEAD)
    canaries = {each.feed: each for each in m.canaries}
    for feed in m.feeds:
        canary = canaries.get(feed.feed)
        took = "" if canary is None else "missing" if canary.took_seconds is None else _seconds(canary.took_seconds)
        ages = (_ago(feed.age_seconds), _ago(feed.last_event_age_seconds), _ago(feed.position_age_seconds))
        table.add_row(escape(feed.feed), feed.state, *ages, took, escape(feed.leader or ""))
    return table


def _upstreams(found: list[UpstreamAvailability]) -> Table:
    table = Table("upstream", "breaker", "since", "next try", "why", box=SIMPLE_HEAD)
    for each in found:
        retry_at = f"{each.retry_at:%H:%M:%S}" if each.retry_at else ""
        since = f"{each.since:%Y-%m-%d %H:%M:%S}" if each.state != "closed" else ""
        table.add_row(each.upstream, each.state, since, retry_at, escape(f"{each.reason} {each.error}".strip()))
    return table


def _lanes(found: Lag) -> Table:
    table = Table("lane", "open", "oldest open", "settled last minute", box=SIMPLE_HEAD)
    for lane in found.measures.lanes:
        rate = sum(each.last_minute for each in found.latencies if each.lane == lane.lane)
        count = f"{lane.open:,}" + ("+" if lane.open == MOST_COUNTED else "")
        table.add_row(lane.lane, count, _seconds(lane.oldest_seconds) if lane.open else "", f"{rate:,}")
    return table


def _latencies(found: list[Latency], minutes: int) -> Table:
    title = f"settled within {minutes} min"
    table = Table("origin", "lane", title, "since upstream p50", "p99", "since received p50", "p99", box=SIMPLE_HEAD)
    for each in found:
        lag = (_seconds(each.lag_p50_seconds), _seconds(each.lag_p99_seconds))
        wait = (_seconds(each.wait_p50_seconds), _seconds(each.wait_p99_seconds))
        table.add_row(each.origin, each.lane, f"{each.settled:,}", *lag, *wait)
    return table


def _drift(m: Measures) -> Table:
    table = Table("reconciled", "checked", "differing", "when", box=SIMPLE_HEAD)
    for each in m.drift:
        counts = (f"{each.checked:,}", f"{each.differing:,}")
        table.add_row(f"{each.source} {each.object}", *counts, _ago(each.age_seconds))
    return table


def _unreadables(m: Measures) -> Table:
    table = Table("could not be read", "field", "times", "last", "last seen in", box=SIMPLE_HEAD)
    for each in m.unreadables:
        last = (f"{each.count:,}", _ago(each.last_age_seconds), escape(each.record_id))
        table.add_row(f"{each.source} {each.object}", escape(each.field), *last)
    return table


def _ago(seconds: float | None) -> str:
    return "never" if seconds is None else f"{_seconds(seconds)} ago"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if abs(seconds) < 1 else f"{seconds:,.1f} s"
