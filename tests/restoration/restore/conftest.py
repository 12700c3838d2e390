"""A noisy picture, and a restoration of a few steps."""

import numpy as np
import pytest

from rtickets.restoration import FitConfig, GeneratorConfig, MaskConfig, RestoreConfig

QUICK = RestoreConfig(
    generator=GeneratorConfig(channels=(4, 6), depth=3),
    sparsity=0.5,
    mask=MaskConfig(steps=3),
    mask_side=16,
    training=FitConfig(steps=20, every=5),
)


@pytest.fixture(scope="module")
def noisy(clean):
    return np.clip(clean + 0.1 * np.random.default_rng(0).normal(size=clean.shape), 0, 1)
