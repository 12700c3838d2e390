"""Writing a study's report to its folder and to the terminal."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rtickets.errors import printable
from rtickets.report.broken import broken_lines
from rtickets.report.cells import gain_text, number, over_fewer
from rtickets.report.chosen import chosen_lines
from rtickets.report.computed import study_environments
from rtickets.report.csv_lines import as_csv
from rtickets.report.facts import ended
from rtickets.report.figures import figures_of
from rtickets.report.gains import gains_csv
from rtickets.report.gap_scatter import gap_lines
from rtickets.report.honesty import doubts, strengths, unchecked
from rtickets.report.inside import study_pictures
from rtickets.report.mask_tables import as_csv as mask_csv
from rtickets.report.mask_tables import mask_tables
from rtickets.report.matching import matching_csv, matching_lines
from rtickets.report.over_seeds import CLEAN, further_of, metrics_of, moves_of, rows
from rtickets.report.page import cells_of, render_page
from rtickets.report.style import png
from rtickets.report.tickets import study_tickets
from rtickets.runs.folders import RunFolder
from rtickets.settings import config_files
from rtickets.stages import results
from rtickets.stages.comparison import family_lines, is_clear
from rtickets.stages.gap_reading import gap_notes
from rtickets.stages.study_settings import StudyConfig
from rtickets.storage.files import write_bytes, write_json, write_text
from rtickets.tasks import units

_MOST_NAMED = 10
_WIDEST = 10_000  # columns


def write_report(study: RunFolder) -> Path:
    """Write curves as PNG, cells and gains as CSV, the table as JSON, and all as one HTML page."""
    result, config = results.read_study(study), results.read_study_config(study)
    table, further = _tables(result, config)
    figures = figures_of(result["cells"], config)
    drawn = {name: png(figure) for name, figure in figures.items()}
    for name, picture in drawn.items():
        write_bytes(study.path / f"{name}.png", picture)
    write_text(study.path / "results.csv", as_csv(result["cells"]))
    write_text(study.path / "gains.csv", gains_csv([*table, *further]))
    write_text(study.path / "matching.csv", matching_csv(result))
    write_json(study.path / "table.json", [*table, *further])
    page = study.path / "report.html"
    pictures = {"Looking inside": study_pictures(study.path.parent, result)}
    tickets = study_tickets(study.path.parent, result["cells"])
    settings, computed_with = config_files.to_dict(config), study_environments(study.path, result)
    date = ended(study.path)
    tables = mask_tables(study.path.parent, result["cells"])
    for name, lines in (("similarity", tables.similarity), ("zero_kernels", tables.zeros)):
        if lines:
            write_text(study.path / f"{name}.csv", mask_csv(lines))
    notes = gap_notes(result["cells"], config)
    about = result, settings, pictures, computed_with, date, further, tickets, tables, notes
    write_text(page, render_page(table, *about))
    return page


def show_report(study: RunFolder) -> None:
    """Print headlines and gains, one short table per transfer, to standard output."""
    result, config = results.read_study(study), results.read_study_config(study)
    baseline, split = config.baseline, config.evaluate.split
    found, further = _tables(result, config)
    table = [row for row in found if row["metric"] == CLEAN]
    others = [row for row in (*found, *further) if row["metric"] != CLEAN and not row["detail"]]
    console = _console()
    for transfer in dict.fromkeys(row["transfer"] for row in table):
        chosen = [row for row in table if row["transfer"] == transfer]
        called = units.headed(f"{split} {chosen[0]['title']}", chosen[0]["unit"])
        title = printable(f"{transfer}: {called}")
        sign = "+-" if console.options.ascii_only else "±"
        console.print(
            f"{title}, (gain over {baseline})", soft_wrap=True
        )  # wider than narrow tables
        printed = _terminal_table(chosen, sign)
        whole = printed.__rich_measure__(console, console.options.update(width=_WIDEST)).maximum
        _console(max(whole, console.width)).print(printed)  # a cut table is none
        if moved := moves_of(config_files.to_dict(config), transfer):
            console.print(f"{transfer} moves {moved}\n", soft_wrap=True)
        for line in chosen_lines(result["cells"], transfer):
            console.print(printable(line), soft_wrap=True)
    for line in (
        *family_lines([*table, *others]),
        *gap_lines(result),
        *matching_lines(result),
        *gap_notes(result["cells"], config),
        *failed_lines(result),
        *broken_lines(result),
    ):
        console.print(printable(line), soft_wrap=True)
    checked, doubtful = doubts(result)
    if checked:
        console.print(
            f"robust accuracies that can be trusted: {checked - len(doubtful)} of {checked}"
        )
    for line in (*doubtful_lines(doubtful), *unchecked(result), *strengths(result)):
        console.print(printable(line), soft_wrap=True)


def _tables(
    result: Mapping[str, Any], config: StudyConfig
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of a study's headline, and of its further measures."""
    found = (
        rows(result["cells"], config.baseline, values_of, result.get("gains"), len(config.seeds))
        for values_of in (metrics_of, further_of)
    )
    table, further = found
    return table, further


def _console(width: int | None = None) -> Console:
    return Console(highlight=False, markup=False, emoji=False, width=width)


def failed_lines(result: Mapping[str, Any]) -> list[str]:
    """Return what a study could not measure, a line each, and how to try again."""
    failed = result.get("failed", [])
    lines = [f"FAILED: {_words_of(cells_of(one))}: {one['reason']}" for one in failed]
    return [*lines, "rtickets study --retry-failed tries them again"] if failed else []


def doubtful_lines(doubtful: Sequence[tuple[Mapping[str, Any], str]]) -> list[str]:
    """Return which evaluations should not be trusted, a line each, with the checks that say so."""
    lines = []
    for one, _ in doubtful[:_MOST_NAMED]:
        failed = [found for found in one["honesty"]["findings"] if found["passed"] is False]
        checks = dict.fromkeys(f"{found['check']} ({found['about']})" for found in failed)
        lines.append(
            f"NOT TRUSTED: {_words_of(cells_of(one))}: {', '.join(checks)}, see the report"
        )
    more = len(doubtful) - _MOST_NAMED
    return [*lines, f"NOT TRUSTED: {more} more, see the report"] if more > 0 else lines


def _words_of(cells: Sequence[str]) -> str:
    """Return what is in the cells of a row without its heading; numbers say of what they are."""
    labels = ("", "", "", "sparsity ", "seed ")
    return ", ".join(f"{label}{cell}" for label, cell in zip(labels, cells, strict=False) if cell)


def _terminal_table(table: Sequence[Mapping[str, Any]], sign: str) -> Table:
    objectives = list(dict.fromkeys(row["objective"] for row in table))
    printed = Table()
    for name in ["ticket", "remaining", *objectives]:
        printed.add_column(name, justify="left" if name == "ticket" else "right", no_wrap=True)
    found = {(row["draw"], row["sparsity"], row["objective"]): row for row in table}
    for draw, sparsity in dict.fromkeys((row["draw"], row["sparsity"]) for row in table):
        point = [found.get((draw, sparsity, objective)) for objective in objectives]
        cells = [_terminal_cell(row, sign) if row else "" for row in point]
        printed.add_row(draw, f"{100 * (1 - sparsity):g}%", *cells)
    return printed


def _terminal_cell(row: Mapping[str, Any], sign: str) -> Text:
    shown = number(row["mean"], row["std"], row["unit"]).replace("±", sign)
    value = Text(shown + over_fewer(row))
    if row["gain"] is not None:
        fewer = over_fewer(row, "gain_seeds")
        value.append(f" ({gain_text(row)}{fewer})", style="bold" if is_clear(row) else "")
    return value
