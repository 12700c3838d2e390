"""Which learning rates and weight decays transfers chose on validation images, and at which end."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rtickets.report.cells import Cell, Markup, html_table

_VALUES = {"learning_rate": "learning rate", "weight_decay": "weight decay"}
Cells = Sequence[Mapping[str, Any]]


def chosen_lines(cells: Cells, transfer: str) -> list[str]:
    """Return what the cells of a transfer chose, in lines for a terminal; [] if nothing.

    Args:
        cells: of a study.
        transfer: a label.
    """
    own = _own(cells, transfer)
    if not own:
        return []
    lines = []
    for field, words in _VALUES.items():
        counts = Counter(cell["chosen"][field] for cell in own)
        shares = ", ".join(f"{value:g} ({counts[value]} of {len(own)})" for value in sorted(counts))
        lines.append(f"{transfer}: {words} chosen on validation images: {shares}")
    return [*lines, *_ends(own, transfer)]


def chosen_tables(cells: Cells, transfer: str) -> list[str]:
    """Return the same as parts of a page, with a table of every cell."""
    own = _own(cells, transfer)
    if not own:
        return []
    seeds = list(dict.fromkeys(cell["seed"] for cell in own))
    lines: dict[tuple[str, float, str], dict[int, Cell]] = {}
    for cell in own:
        line = lines.setdefault((cell["draw"], cell["sparsity"], cell["objective"]), {})
        line[cell["seed"]] = _marked(cell["chosen"])
    body: list[list[Cell]] = [
        [draw, f"{100 * (1 - sparsity):g}", objective, *(line.get(seed, "") for seed in seeds)]
        for (draw, sparsity, objective), line in lines.items()
    ]
    head = ["ticket", "remaining", "objective", *(f"seed {seed}" for seed in seeds)]
    about = [
        "Learning rate (and weight decay) chosen on validation images, from the same ladder for "
        "all; * at an end of it.",
        *_ends(own, transfer),
    ]
    told = [f'<p class="note">{html.escape(line)}</p>' for line in about]
    table = f"<details><summary>what was chosen</summary>{html_table(head, body)}</details>"
    return [*told, table]


def ladder_ends(cells: Cells) -> list[str]:
    """Return a line on every end of a ladder that transfers chose, with how often."""
    transfers = dict.fromkeys(cell["transfer"] for cell in cells if "chosen" in cell)
    return [line for each in transfers for line in _ends(_own(cells, each), each)]


def _own(cells: Cells, transfer: str) -> list[Mapping[str, Any]]:
    return [cell for cell in cells if cell["transfer"] == transfer and "chosen" in cell]


def _marked(chosen: Mapping[str, Any]) -> str | Markup:
    text = f"{chosen['learning_rate']:g} ({chosen['weight_decay']:g})"
    if not chosen.get("ladder_ends"):
        return text
    return Markup(f'<span class="loss">{html.escape(text)}*</span>')


def _ends(cells: Cells, transfer: str) -> list[str]:
    """Return a line on every end of a ladder that was chosen, with how often."""
    counts = Counter(line for cell in cells for line in cell["chosen"].get("ladder_ends", ()))
    return [
        f"AT THE END OF THE LADDER: {transfer}, {count} of {len(cells)} cells: {line}"
        for line, count in counts.items()
    ]
