"""What a study of restoration says: tables and pictures, of its folder alone."""

import base64
import html
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rtickets.restoration.pictures import open_named
from rtickets.restoration.problem import spoil
from rtickets.restoration.spectra import radial_spectrum
from rtickets.restoration.study_settings import RestorationStudyConfig
from rtickets.settings import config_files
from rtickets.storage.files import read_json, write_text

Cells = list[Mapping[str, Any]]


def as_text(folder: Path) -> str:
    """Return the tables of a study as Markdown, and write them and a page of pictures into it."""
    config = config_files.parse(RestorationStudyConfig, read_json(folder / "config.json"))
    cells: Cells = read_json(folder / "result.json")["cells"]
    own = [cell for cell in cells if cell["method"] != "transfer"]
    parts = [
        ("PSNR in dB, mean over pictures and seeds", _overview(own)),
        ("Final PSNR by picture, mean over seeds", _by_picture(own)),
        ("Part of every layer that lives, mean", _densities(own)),
        ("Masks on other pictures: final PSNR, mean over seeds", _transfers(cells)),
        ("Power of the pictures in rings of frequencies, part of the whole", _spectra(own, folder)),
    ]
    text = "\n\n".join(f"## {title}\n\n{table}" for title, table in parts if table)
    write_text(folder / "restoration.md", text + "\n")
    write_text(folder / "restoration.html", _page(config, own, folder, text))
    return text


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [list(map(str, row)) for row in rows]
    if not lines:
        return ""
    head = list(head)
    everything = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in everything)


def _grouped(cells: Cells, *keys: str) -> dict[tuple[Any, ...], Cells]:
    found: dict[tuple[Any, ...], Cells] = defaultdict(list)
    for cell in cells:
        found[tuple(cell[key] for key in keys)].append(cell)
    return found


def _called(method: str, sparsity: float) -> str:
    return f"{method}, {1 - sparsity:.0%} kept" if sparsity else method


def _mean(cells: Cells, name: str) -> str:
    values = np.array([cell["outcome"][name] for cell in cells], float)
    spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}"


def _overview(cells: Cells) -> str:
    names = ("peak", "final", "gap", "final_average", "ssim", "noisy")
    rows = []
    for (method, sparsity), some in _grouped(cells, "method", "sparsity").items():
        bad = sum(cell["outcome"]["verdict"] != "sound" for cell in some)
        own = [_mean(some, name) for name in names]
        rows.append([_called(method, sparsity), *own, f"{bad} of {len(some)}"])
    return _table(
        ("method", "peak", "final", "gap", "mean picture", "SSIM", "noisy", "broken"), rows
    )


def _by_picture(cells: Cells) -> str:
    pictures = list(dict.fromkeys(cell["picture"] for cell in cells))
    rows = []
    for (method, sparsity), some in _grouped(cells, "method", "sparsity").items():
        each = _grouped(some, "picture")
        row = [_mean(each[name,], "final") if (name,) in each else "" for name in pictures]
        rows.append([_called(method, sparsity), *row])
    return _table(("method", *pictures), rows)


def _densities(cells: Cells) -> str:
    masked = [cell for cell in cells if cell["density"]]
    if not masked:
        return ""
    layers = list(masked[0]["density"])
    groups = _grouped(masked, "method", "sparsity")
    head = [_called(*key) for key in groups]
    rows = [
        [
            layer,
            *(f"{np.mean([c['density'][layer] for c in some]):.1%}" for some in groups.values()),
        ]
        for layer in layers
    ]
    return _table(("layer", *head), rows)


def _transfers(cells: Cells) -> str:
    moved = [cell for cell in cells if cell["method"] == "transfer"]
    itself = [
        {**c, "source": c["picture"], "fresh": False} for c in cells if c["method"] == "learnt"
    ]
    if not moved:
        return ""
    every = [*itself, *moved]
    targets = list(dict.fromkeys(cell["picture"] for cell in every))
    rows = []
    for key, some in _grouped(every, "source", "sparsity", "fresh").items():
        each = _grouped(some, "picture")
        row = [_mean(each[name,], "final") if (name,) in each else "" for name in targets]
        weights = "fresh" if key[2] else "its own"
        rows.append([f"{key[0]}, {1 - key[1]:.0%} kept", weights, *row])
    return _table(("mask of", "weights", *targets), rows)


def _spectra(cells: Cells, folder: Path) -> str:
    groups = _grouped(cells, "method", "sparsity")
    rows = []
    for key, some in groups.items():
        rings = np.mean([radial_spectrum(_painted(cell, folder)) for cell in some], 0)
        rows.append([_called(*key), *(f"{value:.2e}" for value in rings)])
    count = len(rows[0]) - 1 if rows else 0
    return _table(
        ("method", *(f"{i / count:.2f} to {(i + 1) / count:.2f}" for i in range(count))), rows
    )


def _painted(cell: Mapping[str, Any], folder: Path) -> np.ndarray:
    data = (folder / f"{cell['name']}.raw").read_bytes()
    return np.frombuffer(data, np.uint8).reshape(cell["shape"]).astype(np.float32) / 255


def _page(config: RestorationStudyConfig, cells: Cells, folder: Path, text: str) -> str:
    seed, rows = config.seeds[0], []
    for name in config.pictures:
        clean = open_named(name, config.size)
        problem = spoil(clean, config.operator, config.sigma, seed)
        shown = problem.task.painted(np.zeros_like(clean)[None], problem.batch)
        images = {"clean": clean, "noisy": np.asarray(shown["observed"][0])}
        for cell in cells:
            if cell["picture"] == name and cell["seed"] == seed:
                label = _called(cell["method"], cell["sparsity"])
                images[f"{label}: {cell['outcome']['final']:.2f} dB"] = _painted(cell, folder)
        rows.append("".join(_figure(label, image) for label, image in images.items()))
    shown_rows = "".join(f"<div>{row}</div>" for row in rows)
    style = "img{image-rendering:pixelated;width:128px}figure{display:inline-block;margin:4px}"
    return (
        f"<!doctype html><meta charset=utf-8><title>Restoration</title><style>{style}</style>"
        f"{shown_rows}{_curves(cells)}<pre>{html.escape(text)}</pre>"
    )


def _figure(label: str, image: np.ndarray) -> str:
    values = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    caption = html.escape(label)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _curves(cells: Cells) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (method, sparsity), some in _grouped(cells, "method", "sparsity").items():
        shortest = min(len(cell["history"]) for cell in some)
        points = np.array([[p[:3] for p in cell["history"][:shortest]] for cell in some], float)
        axes.plot(points[0, :, 0], points[:, :, 2].mean(0), label=_called(method, sparsity))
    axes.set_xlabel("step")
    axes.set_ylabel("PSNR in dB")
    axes.legend(fontsize="x-small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img style="width:auto" alt="PSNR by step" src="data:image/png;base64,{data}">'
