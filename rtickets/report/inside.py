"""What measures left to look at (`rtickets.evaluation.pictures`), in pages.

Rows of images lie as small as they are in the run folders of evaluations. In the page of a study
those of one name are beside each other: a column an objective, a row a ticket.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rtickets.data.images.pictures import open_image
from rtickets.errors import InputError
from rtickets.evaluation.pictures import FOLDER
from rtickets.report.style import png
from rtickets.stages.points import DENSE, ticket_words
from rtickets.storage import guarded

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.[a-z][a-z0-9_]*")  # LABEL.NAME
SOURCE = "source networks"
Row = tuple[str, str]  # objective, and the ticket as it is called


def own_pictures(run: Path, result: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the rows of images of an evaluation by name, PNG, those that are still there.

    Raises:
        InputError: for a name that leads elsewhere, or a picture that is damaged.
    """
    found = {}
    for name in map(str, result.get("pictures", ())):
        if not _NAME.fullmatch(name):
            raise InputError(f"{run}: its result is damaged: pictures has {name!r}, no file's name")
        file = run / FOLDER / f"{name}.png"
        if file.exists():
            found[name] = guarded.read_bytes(file)
            _decoded(found[name], file)
    return found


def _decoded(picture: bytes, name: object) -> np.ndarray:
    """Return its pixels, uint8 (H, W) or (H, W, 3)."""
    image = open_image(picture, name)
    try:
        return np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
    except Exception as error:  # damage surfaces as whatever the reader trips over
        raise InputError(f"{name}: cannot be read as an image: {error}") from None


def study_pictures(workdir: Path, result: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw the rows of images of a study's first seed.

    Args:
        workdir: where the run folders lie.
        result: the study's.

    Returns:
        PNG pictures by a heading of transfer and name. A row that is the same for all networks, as
        the images that were asked about, is there once.
    """
    units = [*result["sources"], *result["cells"]]
    found: dict[tuple[str, str], dict[Row, bytes]] = {}
    for unit in units:
        if unit["seed"] != units[0]["seed"] or "evaluation" not in unit:
            continue
        row = unit["objective"], _called(unit)
        for name, picture in own_pictures(workdir / unit["evaluation"], unit).items():
            found.setdefault((unit.get("transfer", SOURCE), name), {})[row] = picture
    return {f"{transfer}: {name}": _plot(rows) for (transfer, name), rows in found.items()}


def _called(unit: Mapping[str, Any]) -> str:
    return ticket_words(unit.get("draw", DENSE), unit.get("sparsity", 0.0))


def _plot(rows: Mapping[Row, bytes]) -> bytes:
    if len(rows) > 1 and len(set(rows.values())) == 1:
        rows = {("", ""): next(iter(rows.values()))}
    objectives = list(dict.fromkeys(objective for objective, _ in rows))
    tickets = list(dict.fromkeys(ticket for _, ticket in rows))
    images = {row: _decoded(picture, row) for row, picture in rows.items()}
    height, width = next(iter(images.values())).shape[:2]
    wide = 5.0
    size = wide * len(objectives) + 1, (wide * height / width + 0.1) * len(tickets) + 0.4
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(tickets), len(objectives), squeeze=False)
    for line, ticket in zip(panels, tickets, strict=True):
        line[0].set_ylabel(ticket, rotation=0, ha="right", va="center", fontsize=9)
        for panel, objective in zip(line, objectives, strict=True):
            panel.set_xticks([])
            panel.set_yticks([])
            panel.spines[:].set_visible(False)
            if (objective, ticket) in images:
                shown = images[objective, ticket]
                panel.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    for panel, objective in zip(panels[0], objectives, strict=True):
        panel.set_title(objective, fontsize=11)
    return png(figure)
