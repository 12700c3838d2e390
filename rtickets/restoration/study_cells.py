"""The cells of a study of restoration, read from its folder, grouped and compared."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rtickets.evaluation.paired import LEVEL, over_seeds
from rtickets.restoration.spectra import radial_spectrum
from rtickets.storage.files import read_json

Cells = list[Mapping[str, Any]]
CONTROL, DENSE, LEARNT, TRANSFER = "random", "dense", "learnt", "transfer"


def read_cells(folder: Path) -> Cells:
    """Return the cells of a study that is complete."""
    cells: Cells = read_json(folder / "result.json")["cells"]
    return cells


def grouped(cells: Cells, *keys: str) -> dict[tuple[Any, ...], Cells]:
    """Return cells by their values of some keys."""
    found: dict[tuple[Any, ...], Cells] = defaultdict(list)
    for cell in cells:
        found[tuple(cell[key] for key in keys)].append(cell)
    return found


def called(method: str, sparsity: float) -> str:
    """Return what a method is called, with the part of the maskable weights that it keeps."""
    return f"{method}, {1 - sparsity:.0%} kept" if sparsity else method


def masked_name(cell: Mapping[str, Any]) -> str:
    """Return the name of the picture of a learnt mask before any training."""
    return f"{cell['name']}-masked"


def painted(cell: Mapping[str, Any], folder: Path, name: str = "") -> np.ndarray:
    """Return what was painted in the end, or another picture of the cell, (H, W, C) in [0, 1]."""
    data = (folder / f"{name or cell['name']}.raw").read_bytes()
    return np.frombuffer(data, np.uint8).reshape(cell["shape"]).astype(np.float32) / 255


def spectra_of(cells: Cells, folder: Path) -> dict[str, np.ndarray]:
    """Return the mean power of pictures in rings of frequencies, by method."""
    return {
        called(*key): np.mean([radial_spectrum(painted(cell, folder)) for cell in some], 0)
        for key, some in grouped(cells, "method", "sparsity").items()
    }


def densities_of(cells: Cells) -> dict[str, dict[str, float]]:
    """Return the mean part that lives of the layers that a method masks, by method and layer.

    Methods may mask other layers than each other: the control leaves normalisation alone, always.
    """
    masked = grouped([cell for cell in cells if cell["density"]], "method", "sparsity")
    return {
        called(*key): {
            layer: float(np.mean([cell["density"][layer] for cell in some]))
            for layer in some[0]["density"]
        }
        for key, some in masked.items()
    }


def layers_of(densities: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the layers that any method masks, in the order of the network."""
    return max(map(list, densities.values()), key=len, default=[])


def outcomes(cells: Cells, name: str) -> np.ndarray:
    """Return a number of every cell's outcome, float64."""
    return np.array([cell["outcome"][name] for cell in cells], float)


def spread(values: np.ndarray) -> str:
    """Return the mean of values and, of several, their standard deviation, as text."""
    deviation = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{deviation}"


def gains(cells: Cells, others: Cells, method: str) -> str:
    """Return what cells gain over those of another method, in final PSNR in dB, as text.

    Compared are pairs of the same picture and seed; of a method with masks, those that keep as many
    weights. It is the mean, its interval over seeds (Student's t), and in how many pairs it is
    above 0; '' where there is no pair.

    Args:
        cells: of one sparsity.
        others: all cells.
        method: which of these are the other ones.
    """
    sparsities = {cell["sparsity"] for cell in cells} | {0.0}
    finals = {
        (cell["picture"], cell["seed"]): cell["outcome"]["final"]
        for cell in others
        if cell["method"] == method and cell["sparsity"] in sparsities
    }
    by_seed, found = defaultdict(list), []
    for cell in cells:
        if (before := finals.get((cell["picture"], cell["seed"]))) is not None:
            found.append(cell["outcome"]["final"] - before)
            by_seed[cell["seed"]].append(found[-1])
    if not found:
        return ""
    mean = float(np.mean(found))
    varied = over_seeds([float(np.mean(own)) for own in by_seed.values()])
    half = 0.0 if varied is None else varied.half_width(LEVEL)
    ends = f" [{mean - half:+.2f}, {mean + half:+.2f}]" if half else ""
    return f"{mean:+.2f}{ends}, {sum(gain > 0 for gain in found)} of {len(found)}"
