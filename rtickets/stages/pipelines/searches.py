"""The training runs that pipelines begin with: all are searches, with some of their events off.

So that they share the optimiser, the number of steps, the averages and the compiled program.
"""

from collections.abc import Callable

from rtickets.draw.searching.settings import SearchingConfig
from rtickets.settings import config_files
from rtickets.settings.kinds import Duration

Narrowed = Callable[[SearchingConfig, Duration, float], SearchingConfig]
"""(settings, duration of the run, sparsity) -> the settings of the run."""
_NO_SEARCH = {"search_every": "0ep", "penalty": 0.0, "budget": None}


def dense(own: SearchingConfig, duration: Duration, sparsity: float) -> SearchingConfig:
    """Nothing dies: one prune event in the end, which removes nothing."""
    del sparsity
    return config_files.replace(own, **_NO_SEARCH, prune_every=duration, sparsity=0.0, floor=0.0)


def searched(own: SearchingConfig, duration: Duration, sparsity: float) -> SearchingConfig:
    """Channels die, no single weights."""
    del duration, sparsity
    return config_files.replace(own, prune_every="0ep", sparsity=0.0, floor=0.0)


def pruned(own: SearchingConfig, duration: Duration, sparsity: float) -> SearchingConfig:
    """Single weights die, no channels."""
    del duration
    return config_files.replace(own, **_NO_SEARCH, sparsity=sparsity)


def two_in_one(own: SearchingConfig, duration: Duration, sparsity: float) -> SearchingConfig:
    """Both."""
    del duration
    return config_files.replace(own, sparsity=sparsity)


SEARCHES: dict[str, Narrowed] = {
    "dense": dense, "searched": searched, "pruned": pruned, "two_in_one": two_in_one,
}  # fmt: skip
PRUNING = ("pruned", "two_in_one")
"""Those with a sparsity."""
