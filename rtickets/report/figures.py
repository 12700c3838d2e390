"""All figures of a study, as objects and as files for papers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from rtickets.report.curves import draw_curves
from rtickets.report.over_seeds import rows
from rtickets.report.radii import draw_radii, headlines_of, radius_curves
from rtickets.report.reliability import draw_reliability, panels_of_study
from rtickets.report.style import pdf
from rtickets.report.surfaces import surfaces_of_study
from rtickets.runs.names import readable
from rtickets.stages.study_settings import StudyConfig
from rtickets.storage.files import write_bytes


def figures_of(cells: Sequence[Mapping[str, Any]], config: StudyConfig) -> dict[str, Figure]:
    """Draw what a study measured.

    Args:
        cells: of its result.
        config: its own.

    Returns:
        By name: 'curves_METRIC' over remaining weights, 'radii_ATTACK' over the radius,
        'reliability_TRANSFER_TABLE' and 'surface_TRANSFER_TABLE'.
    """
    table, split = rows(cells, config.baseline), config.evaluate.split
    metrics = list(dict.fromkeys(row["metric"] for row in table))
    figures = {f"curves_{metric}": draw_curves(table, metric, split) for metric in metrics}
    headlines = headlines_of(cells)
    for label, lines in radius_curves(cells).items():
        figures[f"radii_{label}"] = draw_radii(lines, label, headlines)
    for (transfer, name), panels in panels_of_study(cells).items():
        figures[f"reliability_{readable(transfer)}_{readable(name)}"] = draw_reliability(panels)
    for (transfer, name), drawn in surfaces_of_study(cells).items():
        figures[f"surface_{readable(transfer)}_{readable(name)}"] = drawn
    return figures


def write_pdfs(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as PDF with embedded fonts, and return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{name}.pdf": figure for name, figure in figures.items()}
    for file, figure in files.items():
        write_bytes(file, pdf(figure))
    return list(files)
