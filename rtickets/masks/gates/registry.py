"""The gates by name, as configurations choose them; the default first."""

from rtickets.masks.gates.base import GateConfig
from rtickets.masks.gates.bernoulli import Bernoulli
from rtickets.masks.gates.top_scores import TopScores

GATES: dict[str, type[GateConfig]] = GateConfig.entries
GATES |= {
    "top": TopScores,
    "bernoulli": Bernoulli,
}
