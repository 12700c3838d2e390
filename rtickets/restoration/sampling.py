"""What untrained networks paint under masks that are drawn with the probabilities learnt."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jax import Array

from rtickets.masks.gates import Bernoulli, LearnedMask, apply_gates, gates_of
from rtickets.restoration.fit_steps import paint
from rtickets.restoration.generators import Painter
from rtickets.restoration.learning import Learnt
from rtickets.restoration.mask_settings import PRUNABLE, Maskable


def sampled_picture(
    found: Learnt, painter: Painter, maskable: Maskable = "kernels", seed: int = 0, count: int = 16
) -> np.ndarray:
    """Return the mean picture (H, W, C) under masks in which every weight lives by its own coin.

    Args:
        found: what was learnt.
        painter: of which it was.
        maskable: see `MaskConfig`.
        seed: of the draws.
        count: how many there are.
    """
    drawn = _drawn(painter.model, PRUNABLE[maskable], found.masked.shape)
    keys = jax.random.split(jax.random.key(seed), count)
    pictures = (drawn(painter.params, found.scores, painter.noise, key)[0] for key in keys)
    return np.mean([np.asarray(picture) for picture in pictures], 0)


@lru_cache(maxsize=8)
def _drawn(model: Any, prunable: str, shape: tuple[int, ...]) -> Any:
    settings = LearnedMask(0.5, scope="global", gate=Bernoulli(), prunable=prunable)

    def drawn(params: Any, scores: Mapping[str, Any], noise: Array, key: Array) -> Array:
        # a relaxed sample is above a half with the probability itself, at every temperature
        gates = gates_of(settings, params, scores, key)
        coins = {path: (gate > 0.5).astype(gate.dtype) for path, gate in gates.items()}
        return paint(model, apply_gates(settings, params, coins), noise, shape)

    return jax.jit(drawn)
