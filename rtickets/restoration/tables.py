"""What a study of restoration says in numbers, of its folder alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.restoration.study_cells import (
    CONTROL,
    DENSE,
    LEARNT,
    TRANSFER,
    Cells,
    called,
    densities_of,
    gains,
    grouped,
    layers_of,
    outcomes,
    read_cells,
    spectra_of,
    spread,
)
from rtickets.storage.files import write_text


class Table(NamedTuple):
    """A table.

    Attributes:
        name: a word for it.
        title: its heading.
        head: names of the columns.
        rows: texts, as many in each.
        note: what should be known of it, or ''.
    """

    name: str
    title: str
    head: list[str]
    rows: list[list[str]]
    note: str = ""


def write_tables(folder: Path) -> str:
    """Write the tables of a study into its folder as Markdown, and return them."""
    text = "\n\n".join(map(markdown, tables_of(read_cells(folder), folder)))
    write_text(folder / "restoration.md", text + "\n")
    return text


def tables_of(cells: Cells, folder: Path) -> list[Table]:
    """Return the tables of a study, those that have anything to say."""
    own = [cell for cell in cells if cell["method"] != TRANSFER]
    found = (
        _overview(own), _differences(own), _by_picture(own, "final"), _by_picture(own, "gap"),
        _learnt(own), _densities(own), _transfers(cells), _moved(cells), _spectra(own, folder),
    )  # fmt: skip
    return [table for table in found if table.rows]


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    note = f"{table.note}\n\n" if table.note else ""
    return f"## {table.title}\n\n{note}{rows}"


def _overview(cells: Cells) -> Table:
    names = ("peak", "final", "gap", "final_average", "ssim", "noisy")
    rows = []
    for (method, sparsity), some in grouped(cells, "method", "sparsity").items():
        bad = sum(cell["outcome"]["verdict"] != "sound" for cell in some)
        own = [spread(outcomes(some, name)) for name in names]
        rows.append([called(method, sparsity), *own, f"{bad} of {len(some)}"])
    head = ["method", "peak", "final", "gap", "mean picture", "SSIM", "noisy", "broken"]
    note = "Mean and standard deviation over pictures and seeds."
    return Table("overview", "PSNR in dB", head, rows, note)


def _differences(cells: Cells) -> Table:
    """Compare final pictures with those of the control and the dense network, pair by pair."""
    rows = []
    for (method, sparsity), some in grouped(cells, "method", "sparsity").items():
        row = [called(method, sparsity)]
        row += ["" if other == method else gains(some, cells, other) for other in (CONTROL, DENSE)]
        if any(row[1:]):
            rows.append(row)
    head = ["method", "less random with as many weights", "less dense"]
    note = (
        "Mean difference of final PSNR in dB between pairs of the same picture and noise, with its "
        "95% interval over seeds (Student's t; of these pictures), and how many pairs are above 0."
    )
    return Table("differences", "Against the control and the dense network", head, rows, note)


def _by_picture(cells: Cells, name: str) -> Table:
    pictures = list(dict.fromkeys(cell["picture"] for cell in cells))
    rows = []
    for (method, sparsity), some in grouped(cells, "method", "sparsity").items():
        each = grouped(some, "picture")
        row = [spread(outcomes(each[one,], name)) if (one,) in each else "" for one in pictures]
        rows.append([called(method, sparsity), *row])
    title = {"final": "Final PSNR by picture", "gap": "Peak less final PSNR by picture"}[name]
    head = ["method", *(Path(str(one)).stem for one in pictures)]
    return Table(name, title, head, rows, "Mean and standard deviation over seeds.")


def _learnt(cells: Cells) -> Table:
    """Return what came of learning masks, before any training."""
    rows = []
    own = [cell for cell in cells if cell["method"] == LEARNT]
    for (sparsity, picture), some in grouped(own, "sparsity", "picture").items():
        notes = [cell["notes"] for cell in some]
        both = [
            np.array([note.get(name) for note in notes], float)  # of older studies NaN
            for name in ("masked_psnr", "sampled_psnr")
        ]
        pulls, means = ([note[name] for note in notes] for name in ("pull", "mean_probability"))
        rows.append([
            Path(str(picture)).stem, f"{1 - sparsity:.0%}", *map(spread, both),
            f"{np.mean(pulls):.3g}", f"{np.mean(means):.3f}",
            f"{sum(bool(note['warnings']) for note in notes)} of {len(notes)}",
        ])  # fmt: skip
    head = [
        "picture",
        "kept",
        "PSNR, untrained",
        "of samples",
        "pull",
        "mean probability",
        "warned",
    ]
    note = (
        "Of the masked network before any training, and of the mean picture of masks drawn with "
        "the learnt probabilities; the pull is its weight times the weights; warned: the prior "
        "could hardly act, or was not reached."
    )
    return Table("masks", "Learnt masks alone", head, rows, note)


def _densities(cells: Cells) -> Table:
    found = densities_of(cells)
    rows = [
        [layer, *(f"{layers[layer]:.1%}" if layer in layers else "" for layers in found.values())]
        for layer in layers_of(found)
    ]
    head = ["layer", *found]
    return Table("densities", "Part of every layer that lives, mean", head, rows)


def _transfers(cells: Cells) -> Table:
    moved = [cell for cell in cells if cell["method"] == TRANSFER]
    itself = [{**c, "source": c["picture"], "fresh": False} for c in cells if c["method"] == LEARNT]
    every = [*itself, *moved] if moved else []
    targets = list(dict.fromkeys(cell["picture"] for cell in every))
    rows = [list(row) for row in _transfer_rows(every, targets)]
    head = ["mask of", "weights", *(Path(str(one)).stem for one in targets)]
    note = "Final PSNR in dB, mean and standard deviation over seeds."
    return Table("transfers", "Masks on other pictures", head, rows, note)


def _transfer_rows(cells: Cells, targets: list[Any]) -> Iterator[list[str]]:
    for (source, sparsity, fresh), some in grouped(cells, "source", "sparsity", "fresh").items():
        each = grouped(some, "picture")
        row = [spread(outcomes(each[one,], "final")) if (one,) in each else "" for one in targets]
        weights = "fresh" if fresh else "its own"
        yield [f"{Path(str(source)).stem}, {1 - sparsity:.0%} kept", weights, *row]


def _moved(cells: Cells) -> Table:
    """Compare what masks do elsewhere with masks that were learnt, or drawn at random, there."""
    moved: Cells = [
        {**cell, "home": cell["source"] == cell["picture"]}
        for cell in cells
        if cell["method"] == TRANSFER
    ]
    rows = []
    for (fresh, home, sparsity), some in grouped(moved, "fresh", "home", "sparsity").items():
        rows.append([
            f"{'the same' if home else 'another'} picture, {1 - sparsity:.0%} kept",
            "fresh" if fresh else "its own",
            *(gains(some, cells, other) for other in (LEARNT, CONTROL, DENSE)),
        ])  # fmt: skip
    head = ["mask of", "weights", "less the picture's own", "less random with as many weights",
            "less dense"]  # fmt: skip
    note = (
        "Mean difference of final PSNR in dB between pairs of the same picture and noise, the "
        "others with their own weights, intervals as above, and how many pairs are above 0."
    )
    return Table("moved", "Masks on other pictures and weights, gains", head, rows, note)


def _spectra(cells: Cells, folder: Path) -> Table:
    spectra = spectra_of(cells, folder)
    rows = [[name, *(f"{value:.2e}" for value in rings)] for name, rings in spectra.items()]
    count = len(rows[0]) - 1 if rows else 0
    head = ["method", *(f"{i / count:.2f} to {(i + 1) / count:.2f}" for i in range(count))]
    title = "Power of the pictures in rings of frequencies, part of the whole"
    return Table("spectra", title, head, rows, "Of half a cycle a pixel; mean over pictures.")
