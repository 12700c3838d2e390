"""Tables as aligned text.

A table is a list of rows with the same keys; rows hold what JSON can hold.
"""

import json
from collections.abc import Mapping
from typing import Any

from rtickets.errors import printable

Table = list[dict[str, Any]]


def as_text(tables: Mapping[str, Table]) -> str:
    """Return tables as aligned text, an empty line between them; paths without a common ending."""
    return "\n\n".join(
        _aligned(name.replace("_", " "), _short_paths(rows)) for name, rows in tables.items()
    )


def _short_paths(rows: Table) -> Table:
    """Leave out the ending that all paths share, such as /kernel, and say so in the heading."""
    paths = [str(row["path"]) for row in rows if "path" in row]
    ending = paths[0][paths[0].rfind("/") :] if paths and "/" in paths[0] else ""
    if len(paths) < 2 or not ending or not all(path.endswith(ending) for path in paths):
        return rows
    heading = f"path (... {ending})"
    return [{heading: str(row["path"]).removesuffix(ending), **_without_path(row)} for row in rows]


def _without_path(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path"}


def _aligned(name: str, rows: Table) -> str:
    if not rows:
        return f"{name}: none"
    columns = []
    for key in rows[0]:
        values = [row[key] for row in rows]
        cells = [printable(key.replace("_", " ")), *(printable(_cell(value)) for value in values)]
        width = max(len(cell) for cell in cells)
        right = not any(isinstance(value, str | Mapping | list) for value in values)
        columns.append([cell.rjust(width) if right else cell.ljust(width) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = json.dumps(value)
    if isinstance(value, Mapping):
        text = " ".join(f"{name}={part}" for name, part in value.items())
    return text if len(text) <= 160 else f"{text[:157]}..."
