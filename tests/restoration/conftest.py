"""One small problem, and a small network that paints it."""

import numpy as np
import pytest

from rtickets.restoration import GeneratorConfig, make_painter, spoil
from rtickets.tasks.degradations import OperatorConfig


@pytest.fixture(scope="session")
def tiny():
    return GeneratorConfig(channels=(4, 6), depth=3)


@pytest.fixture(scope="session")
def clean():
    rows, columns = np.meshgrid(np.linspace(0, 1, 16), np.linspace(0, 1, 16), indexing="ij")
    return np.stack([rows, columns, (rows - 0.5) ** 2 * 3], -1).astype(np.float32)


@pytest.fixture(scope="session")
def problem(clean):
    return spoil(clean, OperatorConfig(), 0.1, seed=0)


@pytest.fixture(scope="session")
def painter(problem, tiny):
    return make_painter(tiny, problem.shape, seed=0)
