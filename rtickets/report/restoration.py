"""The page of a comparison of ways to restore pictures, of its folder alone."""

import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rtickets.report.cells import Words, html_table
from rtickets.report.charts import Chart
from rtickets.report.document import document, figure, picture
from rtickets.report.sections import Section, as_html, navigation
from rtickets.restoration.pictures import open_named
from rtickets.restoration.problem import spoil
from rtickets.restoration.study_cells import (
    LEARNT,
    TRANSFER,
    Cells,
    called,
    densities_of,
    grouped,
    layers_of,
    masked_name,
    painted,
    read_cells,
    spectra_of,
)
from rtickets.restoration.study_settings import RestorationStudyConfig
from rtickets.restoration.tables import tables_of
from rtickets.settings import config_files
from rtickets.storage.files import read_json, write_text

NAME = "restoration.html"
_WIDTH = 96  # pixels of a picture on the page, at least


def write_page(folder: Path) -> Path:
    """Write the page of a study that is complete, and return it."""
    config = config_files.parse(RestorationStudyConfig, read_json(folder / "config.json"))
    cells = read_cells(folder)
    own = [cell for cell in cells if cell["method"] != TRANSFER]
    charts: list[Chart] = []
    sections = [_pictures(config, own, folder), _curves(own, charts)]
    for table in tables_of(cells, folder):
        body = html_table(table.head, [[Words(row[0]), *row[1:]] for row in table.rows])
        if table.name == "densities":
            body += _add(charts, _densities_chart(own))
        if table.name == "spectra":
            body += _add(charts, _spectra_chart(own, folder))
        note = f"<p>{html.escape(table.note)}</p>" if table.note else ""
        sections.append(Section(table.title, [], note + body, short=table.name))
    about = _about(config)
    body = f"<h1>Pictures restored</h1>\n<p>{html.escape(about)}</p>\n"
    body += navigation(sections) + as_html(sections)
    write_text(folder / NAME, document("Pictures restored", body, charts))
    return folder / NAME


def _about(config: RestorationStudyConfig) -> str:
    seeds = ", ".join(map(str, config.seeds))
    return (
        f"{config.operator.name} of {len(config.pictures)} pictures of {config.size} pixels, noise "
        f"{config.sigma:g}, seeds {seeds}; {config.training.steps:,} steps, masks learnt in "
        f"{config.mask.steps:,}; {config.mask.maskable} masked. All methods see the same noise."
    )


def _pictures(config: RestorationStudyConfig, cells: Cells, folder: Path) -> Section:
    """Show what was observed, what every method painted of it and what it was, of one seed."""
    seed, body = config.seeds[0], []
    for name in config.pictures:
        clean = open_named(name, config.size)
        problem = spoil(clean, config.operator, config.sigma, seed)
        shown = problem.task.painted(np.zeros_like(clean)[None], problem.batch)
        images = {"clean": clean, "observed": np.asarray(shown["observed"][0])}
        for cell in cells:
            if cell["picture"] == name and cell["seed"] == seed:
                label = called(cell["method"], cell["sparsity"])
                if cell["method"] == LEARNT:
                    images[f"{label}, before any training"] = painted(
                        cell, folder, masked_name(cell)
                    )
                label += f": {cell['outcome']['final']:.2f} dB"
                images[label] = painted(cell, folder)
        body += [f"<h3>{html.escape(Path(name).stem)}</h3>", _row(images)]
    return Section("Side by side", [("seeds", str(seed))], "\n".join(body), short="pictures")


def _row(images: Mapping[str, np.ndarray]) -> str:
    """Return pictures beside each other, each with its name."""
    columns = []
    for label, image in images.items():
        columns.append([picture(label, _png(image)), html.escape(label)])
    return '<div class="beside">' + "".join(
        f"<div>{image}<p>{label}</p></div>" for image, label in columns
    ) + "</div>"  # fmt: skip


def _png(image: np.ndarray) -> bytes:
    """Return a picture as PNG, small ones with every pixel several times."""
    values = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    times = -(-_WIDTH // values.shape[1])
    values = values.repeat(times, 0).repeat(times, 1)
    buffer = io.BytesIO()
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).save(buffer, "PNG")
    return buffer.getvalue()


def _add(charts: list[Chart], chart: Chart) -> str:
    charts.append(chart)
    return figure(len(charts) - 1)


def _curves(cells: Cells, charts: list[Chart]) -> Section:
    """Draw PSNR against steps, the mean over seeds, a chart a picture."""
    body = []
    for (name,), own in grouped(cells, "picture").items():
        series = []
        for number, (key, some) in enumerate(grouped(own, "method", "sparsity").items()):
            shortest = min(len(cell["history"]) for cell in some)
            values = np.array([[p[:3] for p in c["history"][:shortest]] for c in some], float)
            steps, psnr = values[0, :, 0], values[:, :, 2]
            points = [
                _point(float(x), float(y.mean()), f"step {x:,.0f}, {y.mean():.2f} dB")
                for x, y in zip(steps, psnr.T, strict=True)
                if np.isfinite(y).all()
            ]
            series.append(_series(called(*key), number, points))
        stem = Path(str(name)).stem
        chart = _add(charts, _chart(f"{stem}: PSNR by step", "step", "PSNR (dB)", series))
        body.append(f"<div><h3>{html.escape(stem)}</h3>{chart}</div>")
    panels = f'<div class="panels">{"".join(body)}</div>'
    return Section("Curves", [("what", "mean over seeds")], panels, short="curves")


def _densities_chart(cells: Cells) -> Chart:
    series, found = [], densities_of(cells)
    for number, (name, layers) in enumerate(found.items()):
        points = [
            _point(float(place), 100 * layers[layer], layer)
            for place, layer in enumerate(layers_of(found), 1)
            if layer in layers
        ]
        series.append(_series(name, number, points))
    return _chart("what lives of every layer", "layer, as in the table", "living (%)", series)


def _spectra_chart(cells: Cells, folder: Path) -> Chart:
    series = []
    for number, (name, rings) in enumerate(spectra_of(cells, folder).items()):
        points = [
            _point(float(ring), float(np.log10(max(value, 1e-12))), f"{value:.2e} of the power")
            for ring, value in enumerate(rings, 1)
        ]
        series.append(_series(name, number, points))
    label = "log10 of the part of the power"
    return _chart("power by frequency", "ring of frequencies, low to high", label, series)


def _point(x: float, y: float, text: str) -> dict[str, Any]:
    return {"x": x, "y": y, "low": y, "high": y, "text": [text]}


def _series(name: str, number: int, points: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "color": number, "shape": number, "flat": False, "points": list(points)}


def _chart(title: str, x: str, y: str, series: Sequence[Any]) -> Chart:
    return {"title": title, "x": {"label": x, "log": False}, "y": {"label": y},
            "series": list(series)}  # fmt: skip
