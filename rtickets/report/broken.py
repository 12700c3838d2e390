"""Networks of a study that show signs of being broken, for people."""

from collections.abc import Mapping
from typing import Any

_MOST_NAMED = 10


def broken_networks(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the source networks and cells that show signs."""
    return [one for one in (*result["sources"], *result["cells"]) if one.get("broken")]


def broken_lines(result: Mapping[str, Any]) -> list[str]:
    """Return which they are, a line each of the first few; they are in the means."""
    all_of_them = broken_networks(result)
    named = all_of_them[:_MOST_NAMED]
    found = [f"BROKEN? {_name(one)}: {'; '.join(one['broken'])}" for one in named]
    more = len(all_of_them) - len(named)
    return [*found, *([f"BROKEN? {more} more, all are listed in the report"] if more else [])]


def _name(one: Mapping[str, Any]) -> str:
    if "draw" not in one:
        return f"source network, {one['objective']}, seed {one['seed']}"
    ticket = one["draw"] if one["sparsity"] == 0 else f"{one['draw']}, sparsity {one['sparsity']:g}"
    return f"{one['transfer']}, {one['objective']}, {ticket}, seed {one['seed']}"
