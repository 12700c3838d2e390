"""The results page of a study: one HTML file that needs nothing beside it.

Every number stands in a table of the file; the script draws the same numbers as charts and makes
the tables sortable, see `rtickets.report.document`.
"""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rtickets.report.broken import broken_lines, broken_networks
from rtickets.report.cell_table import cell_table, link
from rtickets.report.cells import Cell, Words, html_table, over_fewer, with_interval
from rtickets.report.chosen import ladder_ends
from rtickets.report.document import document, picture
from rtickets.report.facts import Facts, facts_list, without
from rtickets.report.further import further_section
from rtickets.report.gains import explained
from rtickets.report.gap_scatter import gap_sections
from rtickets.report.honesty import doubts, strengths, unchecked
from rtickets.report.mask_tables import MaskTables, mask_sections
from rtickets.report.matching import matching_sections
from rtickets.report.metric_sections import metric_sections, radius_sections
from rtickets.report.over_seeds import CLEAN, further_of, metrics_of
from rtickets.report.reliability import reliability_sections
from rtickets.report.sections import Context, Section, as_html, navigation
from rtickets.report.surfaces import surface_sections
from rtickets.report.tickets import Tickets, ticket_sections
from rtickets.tasks import units

_FILES = {"results.csv": "all cells as CSV", "gains.csv": "gains as CSV",
          "matching.csv": "matching tickets as CSV",
          "table.json": "means and gains as JSON", "config.json": "configuration",
          "result.json": "results"}  # fmt: skip
_ABOUT_PICTURES = "Of the first seed."


def render_page(
    table: Sequence[Mapping[str, Any]],
    result: Mapping[str, Any],
    config: Mapping[str, Any],
    pictures: Mapping[str, Mapping[str, bytes]],
    environments: Sequence[Mapping[str, Any]],
    date: str,
    further: Sequence[Mapping[str, Any]] = (),
    tickets: Tickets | None = None,
    tables: MaskTables | None = None,
    gap_notes: Sequence[str] = (),
) -> str:
    """Return the page.

    Args:
        table: what `rows` returned.
        result: the study's, with its cells and source networks.
        config: the study's configuration, as JSON holds it.
        pictures: PNG pictures by the heading of their section and their own.
        environments: versions, devices and settings that took part.
        date: when the study ended.
        further: what `rows` returned of further measures.
        tickets: of `rtickets.report.tickets.study_tickets`.
        tables: of `rtickets.report.mask_tables.mask_tables`.
        gap_notes: of `rtickets.stages.gap_reading.gap_notes`.

    Returns:
        HTML with everything inside.
    """
    about = Context(config, result, environments, date, [], gap_notes)
    sections = [*metric_sections(about, table), *radius_sections(about)]
    if further:
        sections.append(further_section(about, further))
    sections += reliability_sections(about)
    sections += surface_sections(about)
    sections += gap_sections(about)
    sections += matching_sections(about)
    sections += ticket_sections(about, tickets or {})
    sections += mask_sections(about, tables)
    for heading, own in pictures.items():
        sections += _pictures(about, heading, own)
    sections += _cells(about)
    if result["sources"]:  # networks that are taken as they are have none
        sections.append(
            Section("Source networks", _source_facts(about), _source_table(result["sources"]))
        )
    sections += [*_failed(about), *_broken(about), *_honesty(about)]
    computed = "".join(f"<p>{html.escape(_environment(one))}</p>" for one in environments)
    sections.append(Section("Computed with", [], computed))
    sections.append(Section("Configuration", [], _configuration(config)))
    title = str(config["name"])
    parts = [
        navigation(sections),
        f"<main>\n<h1>{html.escape(title)}</h1>",
        _explain(table, config["evaluate"]["split"]),
        facts_list(about.facts()),
        _warnings(result),
        *explained(table, config["baseline"]),
        '<noscript><p class="note">Charts need JavaScript; the tables have all numbers.</p>'
        "</noscript>",
        as_html(sections),
        "</main>",
    ]
    return document(title, "\n".join(parts), about.charts)


def _pictures(about: Context, heading: str, pictures: Mapping[str, bytes]) -> list[Section]:
    shown = [
        f"<div><h3>{html.escape(name)}</h3>{picture(name, png)}</div>"
        for name, png in pictures.items()
    ]
    body = f'<p class="note">{_ABOUT_PICTURES}</p><div class="panels">{"".join(shown)}</div>'
    return [Section(heading, about.shared_facts(), body)] if shown else []


def _cells(about: Context) -> list[Section]:
    """Return all cells, with links that work where the page lies in its run folder."""
    cells = about.result["cells"]
    files = ", ".join(link(name, text) for name, text in _FILES.items())
    told = f'<p class="note">Beside this page in its folder: {files}.</p>'
    return [Section("All cells", about.facts(), told + cell_table(cells), "cells")] if cells else []


def _warnings(result: Mapping[str, Any]) -> str:
    """Return what a reader must know before the first number."""
    failed, (checked, doubtful) = result.get("failed", []), doubts(result)
    lines = [*ladder_ends(result["cells"]), *broken_lines(result)]
    if failed:
        lines.append(f"{len(failed)} network(s) could not be measured and are in no mean.")
    if doubtful:
        lines.append(
            f"{len(doubtful)} of {checked} evaluations under attack did not pass every check."
        )
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<ul class="warnings">{items}</ul>' if lines else ""


def _environment(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in one.items() if value is not None)


def _configuration(config: Mapping[str, Any]) -> str:
    text = html.escape(json.dumps(config, indent=2))
    return f"<details><summary>as JSON</summary><pre>{text}</pre></details>"


def _source_facts(about: Context) -> Facts:
    """Return what holds of source networks: their own data, and nothing is transferred."""
    own = {
        "data": ", ".join(dict.fromkeys(_pretraining_data(about.config))),
        "statistics": "the network's own",
    }
    kept = [(name, own.get(name, text)) for name, text in about.facts()]
    return [(name, text) for name, text in kept if name != "examples"]


def _pretraining_data(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield the data sets that the networks of a study were pretrained on."""
    if config["objectives"]:
        yield str(config["pretrain"]["data"]["source"])
    for one in config.get("pretrainings", {}).values():
        yield str(one["data"]["source"])


def _honesty(about: Context) -> list[Section]:
    """Say how many evaluations the checks found nothing against, and list the others."""
    result = about.result
    checked, doubtful = doubts(result)
    lines = [f"{checked - len(doubtful)} of {checked} evaluations passed every check."]
    lines = [*lines[: bool(checked)], *unchecked(result)]
    if not lines:
        return []
    head = ["transfer", "objective", "ticket", "sparsity", "seed", "found"]
    body: list[list[Cell]] = [[*cells_of(one), Words(found)] for one, found in doubtful]
    table = [html_table(head, body)] if body else []
    told = [f"<p>{html.escape(line)}</p>" for line in (*lines, *strengths(result))]
    body_html = "\n".join([*told, *table])
    facts = without(about.facts(), "examples")  # checks say on how many they looked
    return [Section("Can values under attack be trusted?", facts, body_html, short="Trust")]


def _failed(about: Context) -> list[Section]:
    """List what could not be measured: means are over the other seeds."""
    failed = about.result.get("failed", [])
    if not failed:
        return []
    head = ["transfer", "objective", "ticket", "sparsity", "seed", "reason"]
    body: list[list[Cell]] = [[*cells_of(one), Words(str(one["reason"]))] for one in failed]
    table = html_table(head, body)
    return [Section("What failed, and is in no mean", about.facts(), table, short="Failed")]


def _broken(about: Context) -> list[Section]:
    """List the networks that show signs of being broken."""
    head = ["transfer", "objective", "ticket", "sparsity", "seed", "signs"]
    body: list[list[Cell]] = [
        [*cells_of(one), Words("; ".join(one["broken"]))] for one in broken_networks(about.result)
    ]
    heading = "What may be broken, and is in the means"
    table = html_table(head, body)
    return [Section(heading, about.facts(), table, short="Broken?")] if body else []


def cells_of(one: Mapping[str, Any]) -> list[str]:
    """Return what a row of a table says of which cell or source network it is."""
    source = {"transfer": "source network", "draw": "", "sparsity": ""}
    names = ("transfer", "objective", "draw", "sparsity", "seed")
    return [str({**source, **one}.get(name, "")) for name in names]


def _explain(table: Sequence[Mapping[str, Any]], split: str) -> str:
    seeds = max((row["seeds_asked"] for row in table), default=0)
    fewer = ", fewer where a value says so: others failed" * any(map(over_fewer, table))
    named = html.escape(split)
    images = "test images that no choice was made on" if split == "test" else f"{named} images"
    return (
        f'<p class="lead">{_measured(table)} on {images}; mean ± standard deviation '
        f"over {seeds} seed{'s' * (seeds != 1)}{fewer}. Dashed lines are dense networks.</p>"
    )


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
