"""Configurations of studies as they were stored when a way of drawing had no settings of its own.

Then `method` was a name, and the settings of both ways that have some stood beside it: `imp` with
its fields, and `lmp`, which is the gate of today's `method`.
"""

from collections.abc import Mapping
from typing import Any


def with_ways_of_today(study: Any) -> Any:
    """Return the stored configuration of a study, its draws in the form that they have now.

    What is not of that form is left as it is, for whoever reads it to complain of.
    """
    draws = study.get("draws") if isinstance(study, Mapping) else None
    if not isinstance(draws, Mapping):
        return study
    return {**study, "draws": {label: _draw(one) for label, one in draws.items()}}


def _draw(draw: Any) -> Any:
    if not isinstance(draw, Mapping) or not {"imp", "lmp"} & set(draw):
        return draw
    name, imp, lmp = (draw.get(field) for field in ("method", "imp", "lmp"))
    if not isinstance(name, str):
        return draw
    own = {
        "imp": dict(imp) if isinstance(imp, Mapping) else {},
        "lmp": {} if lmp is None else {"gate": lmp},
    }.get(name, {})
    rest = {field: value for field, value in draw.items() if field not in ("imp", "lmp")}
    return {**rest, "method": {"name": name, **own}}
