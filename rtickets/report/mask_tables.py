"""How alike the masks of a study are, and where their kernels are zero, at every sparsity."""

import csv
import html
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rtickets import masks
from rtickets.errors import printable
from rtickets.masks import Mask
from rtickets.masks.layout_names import names_in
from rtickets.report.cells import html_table
from rtickets.report.sections import Context, Section
from rtickets.stages.points import DENSE
from rtickets.tickets.inspect import chance_overlap
from rtickets.tickets.ticket import Ticket
from rtickets.tickets.zero_kernels import zero_kernels

Row = Mapping[str, Any]
_ALIKE = (
    "Weights that both keep, of those that either keeps (Jaccard), the mean over seeds; in "
    "brackets what two independent masks with as many survivors in every layer would share. Random "
    "controls of a seed are not independent of each other: they are as alike as their tickets."
)
_ZERO = "Kernels without a survivor (%), of 3x3 and of all, by stage, the mean over seeds."


class MaskTables(NamedTuple):
    """What was computed of the masks of a study, a dictionary a line.

    Attributes:
        similarity: of every two tickets of a seed and sparsity.
        zeros: of every ticket and stage.
    """

    similarity: list[dict[str, Any]]
    zeros: list[dict[str, Any]]


def mask_tables(workdir: Path, cells: Sequence[Row]) -> MaskTables:
    """Compute them, of the tickets that are still there.

    Args:
        workdir: where the run folders lie.
        cells: of the study, with the name of each ticket's folder.
    """
    tables = MaskTables([], [])
    for (seed, sparsity), tickets in _groups(cells).items():
        # No more tickets at a time than of one seed and sparsity.
        loaded = dict(_loaded(workdir, tickets))
        about = {"seed": seed, "sparsity": sparsity}
        for (a, one), (b, other) in itertools.combinations(loaded.items(), 2):
            if (alike := _similarity(one.mask, other.mask)) is not None:
                tables.similarity.append({**about, "a": a, "b": b, **alike})
        for label, ticket in loaded.items():
            names = names_in(ticket.meta, ticket.params, ())
            for stage, found in zero_kernels(ticket.mask, ticket.params, names).items():
                tables.zeros.append({**about, "ticket": label, "stage": stage, **found._asdict()})
    return tables


def _groups(cells: Sequence[Row]) -> dict[tuple[int, float], dict[str, str]]:
    groups: dict[tuple[int, float], dict[str, str]] = {}
    for cell in cells:
        if cell["draw"] != DENSE:
            own = groups.setdefault((cell["seed"], cell["sparsity"]), {})
            own[f"{cell['objective']} {cell['draw']}"] = cell["ticket"]
    return groups


def _loaded(workdir: Path, tickets: Mapping[str, str]) -> Iterator[tuple[str, Ticket]]:
    for label, folder in tickets.items():
        path = workdir / folder / "ticket"
        if path.is_dir():
            yield printable(label), Ticket.load(path)


def _similarity(a: Mask, b: Mask) -> dict[str, float] | None:
    """Return the overlap of two masks and that by chance, None of different networks."""
    one, other = masks.prunable_leaves(a), masks.prunable_leaves(b)
    if {p: m.shape for p, m in one.items()} != {p: m.shape for p, m in other.items()}:
        return None
    counts = [(int(m.sum()), int(other[p].sum()), m.size) for p, m in one.items()]
    return {"overlap": masks.overlap(a, b)[""], "by_chance": chance_overlap(counts)}


def as_csv(rows: Sequence[Row]) -> str:
    """Return lines as text."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def mask_sections(about: Context, tables: MaskTables | None) -> list[Section]:
    """Return the section of a page on masks, or none."""
    if tables is None or not tables.zeros:
        return []
    parts = ['<div class="panels">']
    if tables.similarity:
        parts.append(_panel("Similarity of masks", _ALIKE, _similarity_table(tables.similarity)))
    parts.append(_panel("Zero kernels", _ZERO, _zero_table(tables.zeros)))
    return [Section("Masks", about.shared_facts(), "\n".join([*parts, "</div>"]))]


def _panel(heading: str, told: str, table: str) -> str:
    note = f'<p class="note">{html.escape(told)}</p>'
    return f"<div><h3>{html.escape(heading)}</h3>{note}{table}</div>"


def _similarity_table(rows: Sequence[Row]) -> str:
    sparsities = sorted({row["sparsity"] for row in rows})
    found: dict[tuple[str, str], dict[float, list[Row]]] = {}
    for row in rows:
        own = found.setdefault((row["a"], row["b"]), {})
        own.setdefault(row["sparsity"], []).append(row)
    body = [
        [*pair, *(_shared(own[s]) if s in own else "" for s in sparsities)]
        for pair, own in found.items()
    ]
    return html_table(["ticket", "and", *(f"{100 * s:.4g}%" for s in sparsities)], body)


def _shared(rows: Sequence[Row]) -> str:
    return f"{_mean(rows, 'overlap'):.3f} ({_mean(rows, 'by_chance'):.3f})"


def _mean(rows: Sequence[Row], name: str) -> float:
    return sum(float(row[name]) for row in rows) / len(rows)


def _zero_table(rows: Sequence[Row]) -> str:
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    found: dict[tuple[str, float], dict[str, list[Row]]] = {}
    for row in rows:
        own = found.setdefault((row["ticket"], row["sparsity"]), {})
        own.setdefault(row["stage"], []).append(row)
    body = [
        [ticket, f"{100 * sparsity:.4g}", *(_zeros(own.get(stage, [])) for stage in stages)]
        for (ticket, sparsity), own in found.items()
    ]
    return html_table(["ticket", "sparsity (%)", *stages], body)


def _zeros(rows: Sequence[Row]) -> str:
    """Return the shares of 3x3 kernels and of all."""
    if not rows:
        return ""
    parts = []
    for size in ("_3x3", ""):
        total = sum(row[f"kernels{size}"] for row in rows)
        dead = sum(row[f"zero{size}"] for row in rows)
        parts.append(f"{100 * dead / total:.1f}" if total else "-")
    return " / ".join(parts)
