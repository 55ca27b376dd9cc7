"""`python -m benchmarks.harness.plot RESULTS.json PICTURE.svg`: the reads of a run as bars, for docs/performance.md."""

import json
from html import escape
from pathlib import Path

import click

WIDTH, LABEL, ROW, BAR = 860, 250, 26, 16
OURS, OTHERS = "#2f6f8f", "#b8b2a6"
NAMES = {
    "memory": "ours, from memory",
    "catalog": "ours, public catalog",
    "Redis": "ours, from Redis",
    "mixed": "ours, with 200 writes/s",
    "Postgres": "ours, from Postgres",
}


@click.command()
@click.argument("results", type=click.Path(exists=True, path_type=Path))
@click.argument("picture", type=click.Path(path_type=Path))
def main(results: Path, picture: Path) -> None:
    """Plot the requests per second of every side of the read benchmark."""
    found = {each["name"].removeprefix("reads, "): each for each in json.loads(results.read_text())["results"]}
    rows = [(text, found[name]["ours"], OURS) for name, text in NAMES.items() if name in found]
    others = {each["against"]: each["baseline"] for each in found.values() if each["unit"] == "requests/s"}
    rows += [(name, rate, OTHERS) for name, rate in others.items()]
    picture.write_text(_svg(sorted(rows, key=lambda row: -row[1])))


def _svg(rows: list[tuple[str, float, str]]) -> str:
    most, height = max(rate for _, rate, _ in rows), ROW * len(rows) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="13" role="img" aria-label="Requests a second">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, (text, rate, colour) in enumerate(rows):
        y, wide = 6 + ROW * number, (WIDTH - LABEL - 90) * rate / most
        lines += [
            f'<text x="{LABEL - 10}" y="{y + 13}" text-anchor="end">{escape(text)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{wide:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{LABEL + wide + 8:.1f}" y="{y + 13}">{rate:,.0f}/s</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


main()
