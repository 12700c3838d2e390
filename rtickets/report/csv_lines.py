"""The numbers of a study as lines of a table: one a cell and measure, for files and data frames."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from rtickets.report.over_seeds import further_of, metrics_of

KEYS = ("seed", "objective", "draw", "sparsity", "transfer")
MEASURED = ("correct", "examples", "value", "low", "high", "unit", "higher_is_better")
CHOSEN = ("learning_rate", "weight_decay")
COLUMNS = (*KEYS, "metric", *MEASURED, *CHOSEN)


def lines_of(cells: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a dictionary by `COLUMNS` for every cell of a study and everything measured of it.

    What a measure does not have, such as a number of right answers, is None; so are the rate and
    the decay of a transfer that had no ladder to choose them from.
    """
    return [
        {
            **{key: cell[key] for key in KEYS},
            "metric": metric,
            **{name: found.get(name) for name in MEASURED},
            **{name: cell.get("chosen", {}).get(name) for name in CHOSEN},
        }
        for cell in cells
        for metric, found in {**metrics_of(cell), **further_of(cell)}.items()
    ]


def as_csv(cells: Iterable[Mapping[str, Any]]) -> str:
    """Return the same as text, with nothing where there is None."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines_of(cells))
    return buffer.getvalue()
