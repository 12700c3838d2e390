"""The objectives by name, as configurations choose them; the default first."""

from rtickets.training.objectives.embeddings import Embeddings
from rtickets.training.objectives.fast import Fast
from rtickets.training.objectives.free import Free
from rtickets.training.objectives.gaussian import Gaussian
from rtickets.training.objectives.mart import Mart
from rtickets.training.objectives.natural import Natural
from rtickets.training.objectives.pgd import Adversarial
from rtickets.training.objectives.settings import ObjectiveConfig
from rtickets.training.objectives.trades import Trades

OBJECTIVES: dict[str, type[ObjectiveConfig]] = ObjectiveConfig.entries
OBJECTIVES |= {
    "natural": Natural,
    "pgd": Adversarial,
    "fast": Fast,
    "free": Free,
    "trades": Trades,
    "mart": Mart,
    "gaussian": Gaussian,
    "embeddings": Embeddings,
}
