"""A network of one block, and an objective of every family with smooth (L2) attacks."""

from typing import Any

import jax
import numpy as np
import pytest

from rtickets import models
from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.draw import draw_omp
from rtickets.models.resnet import BasicBlock, ResNet

# Signs of L-infinity steps turn rounding into whole steps; L2 steps are smooth.
SEARCHED = AttackConfig(norm="l2", eps=0.5, num_steps=1)
OBJECTIVES = {
    "natural": ObjectiveConfig(),
    "gaussian": ObjectiveConfig(name="gaussian", sigma=0.1),
    "pgd": ObjectiveConfig(name="pgd", attack=SEARCHED),
    "fast": ObjectiveConfig(
        name="fast", attack=AttackConfig(name="fgsm_rs", norm="l2", eps=0.5), check_steps=2
    ),
    "free": ObjectiveConfig(
        name="free", attack=AttackConfig(name="fgsm", norm="l2", eps=0.5), replays=2
    ),
    "trades": ObjectiveConfig(name="trades", attack=SEARCHED),
    "mart": ObjectiveConfig(name="mart", attack=SEARCHED),
}
OF_TEXTS = {"embeddings"}  # trained in tests/training/objectives/test_embeddings.py


@pytest.fixture(scope="session")
def small(tiny) -> Any:
    model = ResNet((1,), BasicBlock, 3, width=4, stem="small", mean=(0.4,), std=(0.3,))
    params, batch_stats = models.initialise(model, jax.random.key(0), (8, 8, 1))
    found = tiny._replace(model=model, params=params, batch_stats=batch_stats)
    return found._replace(mask=draw_omp(params, 0.5))


@pytest.fixture(params=OBJECTIVES)
def objective(request) -> ObjectiveConfig:
    return OBJECTIVES[request.param]


@pytest.fixture(scope="session")
def objectives() -> dict[str, ObjectiveConfig]:
    return OBJECTIVES


@pytest.fixture(scope="session")
def of_texts() -> set[str]:
    return OF_TEXTS


@pytest.fixture(scope="session")
def shape() -> tuple[int, int, int]:
    return (8, 8, 1)


def removed(mask: Any, tree: Any) -> np.ndarray:
    """Return what a mask's weights hold in a tree of their structure, where they are pruned."""
    leaves = jax.tree.map(lambda keep, leaf: np.where(keep, 0, leaf), mask, tree)
    return np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(leaves)])


@pytest.fixture(scope="session")
def pruned() -> Any:
    return removed
