"""The report of one evaluation: what was measured, how it came about, whether it can be trusted."""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rtickets.errors import InputError, printable
from rtickets.report.cells import direction, html_table, with_interval
from rtickets.report.charts import Chart
from rtickets.report.document import document, picture
from rtickets.report.facts import ended, evaluation_facts, facts_list
from rtickets.report.honesty import verdict_lines
from rtickets.report.inside import own_pictures
from rtickets.report.over_seeds import further_of, metrics_of
from rtickets.report.reliability import reliability_parts
from rtickets.report.surfaces import surface_parts
from rtickets.runs import environment
from rtickets.runs.folders import RunFolder
from rtickets.stages.results import headline_of
from rtickets.storage.files import read_json, write_text
from rtickets.tasks import units


def evaluation_lines(run: RunFolder) -> list[str]:
    """Say what a complete evaluation measured, for a terminal.

    It is how the network came about, measures with 95% intervals, notes and the verdict.
    """
    result, network = run.result(), _network(run)
    measured = _measured(run, result)
    lines = [*network, *(f"{name}: {value} of {count} images" for name, value, count in measured)]
    further = _further(run, result)
    lines += [f"{name}: {value}" + (f", {way}" if way else "") for name, value, way in further]
    lines += [*result.get("notes", ()), *_broken(result)]
    lines += _verdict(run, result)
    return [printable(line) for line in lines]


def write_evaluation(run: RunFolder) -> Path:
    """Write a complete evaluation as one HTML page in its folder, and return the page."""
    result, config = run.result(), read_json(run.path / "config.json")
    rows = _measured(run, result)
    environments = environment.read(run.path)
    facts = evaluation_facts(config, environments, ended(run.path))
    parts = [
        f"<h1>{html.escape(run.path.name)}</h1>", facts_list(facts),
        "<h2>The network</h2>", _list(_network(run)),
        "<h2>Measures, with 95% intervals</h2>",
        html_table(["metric", _headed(run, result), "images"], rows),
    ]  # fmt: skip
    if further := _further(run, result):
        parts += [html_table(["measure", "value", ""], further)]
    parts += [_list([*result.get("notes", ()), *_broken(result)])]
    for name, png in own_pictures(run.path, result).items():
        parts += [f"<h2>{html.escape(name)}</h2>", picture(name, png, "pixels")]
    charts: list[Chart] = []
    with _damage_named(run):
        parts += reliability_parts(result, charts)
        parts += surface_parts(result)
    if verdict := _verdict(run, result):
        parts += ["<h2>Can values under attack be trusted?</h2>", _list(verdict)]
    computed = _list(environment.as_lines(environments))
    parts += ["<h2>Computed with</h2>", computed]
    parts += ["<h2>Configuration</h2>", f"<pre>{html.escape(json.dumps(config, indent=2))}</pre>"]
    page = run.path / "report.html"
    write_text(page, document(run.path.name, "\n".join(parts), charts))
    return page


def _broken(result: Mapping[str, Any]) -> list[str]:
    return [f"BROKEN? {sign}" for sign in result.get("broken", ())]


def _network(run: RunFolder) -> list[str]:
    """Return how the network came about; older evaluations do not say."""
    file = run.path / "network.json"
    if not file.is_file():
        return []
    network = read_json(file)
    sparsity = network.get("sparsity")
    shown = f"{sparsity:.6g}" if isinstance(sparsity, float) else sparsity
    return [*map(str, network.get("history", ())), f"sparsity {shown}"]


def _measured(run: RunFolder, result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, headline with its interval and number of images, clean and under attacks."""
    with _damage_named(run):
        return [
            (name, with_interval(found), f"{found['examples']:,}")
            for name, found in metrics_of(result).items()
        ]


def _further(run: RunFolder, result: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name, value with interval and unit, and direction of all further measures."""
    with _damage_named(run):
        return [
            (units.headed(name, found["unit"]), with_interval(found), direction(found))
            for name, found in further_of(result).items()
        ]


def _headed(run: RunFolder, result: Mapping[str, Any]) -> str:
    with _damage_named(run):
        headline = headline_of(result)
        return units.headed(headline.called, headline.unit)


def _verdict(run: RunFolder, result: Mapping[str, Any]) -> list[str]:
    with _damage_named(run):
        return verdict_lines(result)


@contextmanager
def _damage_named(run: RunFolder) -> Iterator[None]:
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{run.path}: its result is damaged: {error!r}") from None


def _list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{html.escape(str(line))}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""
