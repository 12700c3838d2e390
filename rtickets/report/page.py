"""The report as one HTML page that needs nothing beside it."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import Markup, html_table, number, with_interval
from rtickets.report.chosen import chosen_tables
from rtickets.report.further import further_measures
from rtickets.report.gains import explained, gain_cell
from rtickets.report.honesty import doubts, strengths, unchecked
from rtickets.report.over_seeds import CLEAN, further_of, metrics_of, moves_of
from rtickets.tasks import units

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #22272e; max-width: 1060px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2em; }
img { max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2em 0.8em; text-align: right; border-bottom: 1px solid #e3e6ea; }
th:first-child, td:first-child { text-align: left; }
pre { background: #f5f6f8; padding: 1em; overflow-x: auto; font-size: 12px; }
.gain { color: #2c7a3f; } .loss { color: #b03a2e; } .scroll { overflow-x: auto; }
"""


def render_page(
    table: Sequence[Mapping[str, Any]],
    result: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    radii: Mapping[str, bytes],
    tickets: Mapping[str, bytes],
    config: Mapping[str, Any],
    computed_with: Sequence[str],
    further: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page.

    Args:
        table: what `rows` returned.
        result: the study's, with its cells and source networks.
        pictures: PNG pictures of the headline over remaining weights, by metric.
        radii: PNG pictures of it over the radius, by attack or 'certified'.
        tickets: PNG pictures of tickets and of what networks see, by heading.
        config: the study's configuration, printed at the end; it names the study and the objective
            that gains are measured from.
        computed_with: versions, devices and settings, a line for each that took part.
        further: what `rows` returned of further measures.

    Returns:
        HTML with the pictures inside.
    """
    title, baseline = config["name"], config["baseline"]
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        _explain(table, config["evaluate"]["split"]),
        *explained(table, baseline),
    ]
    for metric, picture in pictures.items():
        parts += picture_parts(_heading(table, metric), picture)
        for transfer in dict.fromkeys(row["transfer"] for row in table):
            chosen = [
                row for row in table if row["metric"] == metric and row["transfer"] == transfer
            ]
            moved = moves_of(config, transfer)
            parts += [f"<h3>{html.escape(transfer)}</h3>"]
            parts += [f"<p>Moves {html.escape(moved)}.</p>"] if moved else []
            parts += [_table(chosen, baseline)]
            parts += chosen_tables(result["cells"], transfer) if metric == CLEAN else []
    parts += further_measures(further)
    for label, picture in radii.items():
        parts += picture_parts(f"Over the radius: {label}", picture)
    for heading, picture in tickets.items():
        parts += picture_parts(heading, picture)
    parts += ["<h2>Source networks</h2>", _source_table(result["sources"])]
    parts += _failed(result)
    parts += _honesty(result)
    parts += ["<h2>Computed with</h2>", *(f"<p>{html.escape(one)}</p>" for one in computed_with)]
    parts += ["<h2>Configuration</h2>", f"<pre>{html.escape(json.dumps(config, indent=2))}</pre>"]
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def picture_parts(heading: str, picture: bytes) -> list[str]:
    """Return a heading and a PNG picture as HTML."""
    data = base64.b64encode(picture).decode()
    name = html.escape(heading)
    return [f"<h2>{name}</h2>", f'<img alt="{name}" src="data:image/png;base64,{data}">']


def _honesty(result: Mapping[str, Any]) -> list[str]:
    """Say how many evaluations the checks found nothing against, and list the others."""
    checked, doubtful = doubts(result)
    lines = [f"{checked - len(doubtful)} of {checked} evaluations passed every check."]
    lines = [*lines[: bool(checked)], *unchecked(result)]
    if not lines:
        return []
    head = ["transfer", "objective", "ticket", "sparsity", "seed", "found"]
    body = [[*cells_of(one), found] for one, found in doubtful]
    table = [html_table(head, body)] if body else []
    told = [f"<p>{html.escape(line)}</p>" for line in (*lines, *strengths(result))]
    return ["<h2>Can values under attack be trusted?</h2>", *told, *table]


def _failed(result: Mapping[str, Any]) -> list[str]:
    """List what could not be measured: means are over the other seeds."""
    failed = result.get("failed", [])
    if not failed:
        return []
    head = ["transfer", "objective", "ticket", "sparsity", "seed", "reason"]
    body = [[*cells_of(one), str(one["reason"])] for one in failed]
    return ["<h2>What failed, and is in no mean</h2>", html_table(head, body)]


def cells_of(one: Mapping[str, Any]) -> list[str]:
    """Return what a row of a table says of which cell or source network it is."""
    source = {"transfer": "source network", "draw": "", "sparsity": ""}
    names = ("transfer", "objective", "draw", "sparsity", "seed")
    return [str({**source, **one}.get(name, "")) for name in names]


def _heading(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Return what the values of a metric are called, of all transfers."""
    titles = " and ".join(dict.fromkeys(row["title"] for row in rows if row["metric"] == metric))
    return f"Clean {titles}" if metric == CLEAN else f"{titles[:1].upper()}{titles[1:]}"


def _explain(table: Sequence[Mapping[str, Any]], split: str) -> str:
    seeds = max((row["seeds"] for row in table), default=0)
    named = html.escape(split)
    images = "test images that no choice was made on" if split == "test" else f"{named} images"
    return (
        f"<p>{_measured(table)} on {images}; mean ± standard deviation "
        f"over {seeds} seed{'s' * (seeds != 1)}. Dashed lines are dense networks.</p>"
    )


def _table(rows: Sequence[Mapping[str, Any]], baseline: str) -> str:
    objectives = list(dict.fromkeys(row["objective"] for row in rows))
    others = [objective for objective in objectives if objective != baseline]
    head = ["ticket", "remaining", *objectives, *(f"gain of {other}" for other in others)]
    points = list(dict.fromkeys((row["draw"], row["sparsity"]) for row in rows))
    found = {(row["draw"], row["sparsity"], row["objective"]): row for row in rows}
    body = []
    for draw, sparsity in points:
        cells: list[str | Markup] = [draw, f"{100 * (1 - sparsity):g}"]
        for objective in objectives:
            row = found.get((draw, sparsity, objective))
            cells.append(number(row["mean"], row["std"], row["unit"]) if row else "")
        for other in others:
            row = found.get((draw, sparsity, other))
            cells.append(gain_cell(row) if row and row["gain"] is not None else "")
        body.append(cells)
    return html_table(head, body)


def _measured(table: Sequence[Mapping[str, Any]]) -> str:
    """Return what all values are, with their units, as a sentence begins."""
    words = dict.fromkeys(
        units.worded(row["title"], row["unit"]) for row in table if row["metric"] == CLEAN
    )
    text = html.escape(", ".join(words))
    return text[:1].upper() + text[1:]


def _source_table(sources: Sequence[Mapping[str, Any]]) -> str:
    found = [{**metrics_of(source), **further_of(source)} for source in sources]
    kinds = {name: each for one in found for name, each in one.items() if not each["detail"]}
    body = [
        [
            source["objective"],
            str(source["seed"]),
            *(with_interval(one.get(name)) for name in kinds),
        ]
        for source, one in zip(sources, found, strict=True)
    ]
    heads = [units.headed(name, each["unit"]) for name, each in kinds.items()]
    return html_table(["objective", "seed", *heads], body)
