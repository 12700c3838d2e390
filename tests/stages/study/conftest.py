"""Configurations of studies."""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
)

TRAIN = TrainConfig(duration="60it", batch_size=32)
DRAWS = {
    "omp": DrawConfig(),
    "random": DrawConfig(criterion="random"),
    "snip": DrawConfig(criterion="snip"),
    "grasp": DrawConfig(criterion="grasp"),
    "taylor": DrawConfig(criterion="taylor"),
    "synflow": DrawConfig(criterion="synflow"),
    "shuffled": DrawConfig(control="shuffled"),
    "imp": DrawConfig(method="imp", train=TRAIN),
    "lmp": DrawConfig(method="lmp", scope="uniform", train=TRAIN),
    "of_lmp": DrawConfig(method="lmp", scope="uniform", train=TRAIN, control="random"),
}


def config_with(**fields):
    small = {
        "draws": {"omp": DRAWS["omp"], "imp": DRAWS["imp"]},
        "objectives": {"natural": ObjectiveConfig()},
        "sparsities": (0.8, 0.95),
    }
    return StudyConfig(**{**small, **fields})


PGD = ObjectiveConfig(name="pgd")
OTHER = PretrainConfig(data=DataConfig(source="digits"), train=TRAIN)
