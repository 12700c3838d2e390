"""Robust tickets in JAX: draw sparse subnetworks, transfer them, measure them.

Names are imported when they are first used, so `import rtickets` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from rtickets._version import __version__

if TYPE_CHECKING:
    from rtickets import attacks, data, draw, evaluation, masks, models, restoration
    from rtickets.draw import criteria, draw_omp
    from rtickets.errors import InputError
    from rtickets.masks import DEFAULT_PRUNABLE
    from rtickets.report import load_study
    from rtickets.restoration.restore import restore
    from rtickets.tickets.compaction import compact
    from rtickets.tickets.ticket import Ticket
    from rtickets.training.keep_pruned import keep_pruned

_HOMES = {
    "DEFAULT_PRUNABLE": "rtickets.masks",
    "InputError": "rtickets.errors",
    "Ticket": "rtickets.tickets.ticket",
    "compact": "rtickets.tickets.compaction",
    "draw_omp": "rtickets.draw",
    "keep_pruned": "rtickets.training.keep_pruned",
    "load_study": "rtickets.report",
    "restore": "rtickets.restoration.restore",
}
_MODULES = ("attacks", "criteria", "data", "draw", "evaluation", "masks", "models", "restoration")
_ELSEWHERE = {
    "criteria": "draw.criteria",
    # where configuration files of users find them
    "config_files": "settings.config_files",
    "recipes": "stages.recipes",
}

__all__ = [
    "DEFAULT_PRUNABLE",
    "InputError",
    "Ticket",
    "__version__",
    "attacks",
    "compact",
    "criteria",
    "data",
    "draw",
    "draw_omp",
    "evaluation",
    "keep_pruned",
    "load_study",
    "masks",
    "models",
    "restoration",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _MODULES or name in _ELSEWHERE:
        return importlib.import_module(f"rtickets.{_ELSEWHERE.get(name, name)}")
    raise AttributeError(f"module 'rtickets' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
