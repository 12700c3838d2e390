"""Synaptic flow: a score without data that keeps every layer connected (Tanaka et al. 2020)."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import models
from rtickets.draw.criteria.base import CriterionEntry, ScoredNetwork, ScoreFn
from rtickets.draw.criteria.current import program_of
from rtickets.draw.criteria.losses import LogitsOf
from rtickets.draw.criteria.weights import Scores
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params, apply, leaf_paths
from rtickets.masks.prunable import prunable_leaves, replace_leaves
from rtickets.platform.hoisting import compiled
from rtickets.platform.programs import Pinned

_BIAS = r"(.*/)?bias"
# Input and output are 100 / sqrt(R) instead of 1 / sqrt(R): a small signal becomes smaller still
# where it is divided among pixels and multiplied by weights, before it is added up.
_HEADROOM = 100.0
_TOO_DEEP = (
    "the synaptic flow does not fit into float32: the weights are not finite, or too large for a "
    "network so deep"
)


def synflow(
    logits_fn: LogitsOf,
    params: Params,
    input_shape: tuple[int, ...],
    *,
    mask: Mask | None = None,
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Scores:
    """Score a weight w by |w| dR/d|w|, R the sum of the outputs for an input of ones.

    R is taken with the absolute values of all weights and with 0 for every leaf called 'bias', so
    it sums the products of weights along all paths through the network, and the scores of every
    layer of a chain have the same sum. Scores are relative to R, which in a deep network is too
    large for float32: input and output are scaled down instead, to which R is proportional.

    Args:
        logits_fn: maps (params, x) to outputs (1, classes). It must be proportional to x without
            the biases: no pixel normalisation; batch normalisation with `unit_statistics`.
        input_shape: shape of one input, for images (H, W, C).
        mask: which weights live, the others are zero; None is all.

    Returns:
        float64 arrays by path, not negative; all 0 where no path through the network is left.

    Raises:
        InputError: if `logits_fn` is not proportional to its input, or R is not finite or more than
            about 1e70.
    """
    positive = {
        path: jnp.zeros(np.shape(leaf), jnp.float32)
        if re.fullmatch(_BIAS, path)
        else jnp.abs(jnp.asarray(leaf)).astype(jnp.float32)
        for path, leaf in leaf_paths(params if mask is None else apply(mask, params)).items()
    }
    params = replace_leaves(params, positive)
    weights = prunable_leaves(params, prunable, exclude)
    ones = jnp.ones((1, *input_shape), jnp.float32)
    if not isinstance(logits_fn, Pinned):  # the function may be a changed object
        program = program_of("network", _flow_of(logits_fn), weights, params, ones, 1.0)
        logits_fn = Pinned(logits_fn, program)
    flow, gradient = _compiled(logits_fn)

    def total(scale: float) -> float:
        return float(flow(weights, params, scale * ones, 1.0)) / scale

    whole = _first_in_range(total(2.0**exponent) for exponent in (0, -60, -120, 60, 120))
    if whole == 0:
        return {path: np.zeros(leaf.shape) for path, leaf in weights.items()}
    scale = _HEADROOM * whole**-0.5
    # Whatever does not shrink with the input, such as a bias of another name, shows here.
    if not np.isclose(total(scale / 2), whole, rtol=1e-2):
        raise InputError(
            "logits_fn is not proportional to its input, so it has no synaptic flow; leave out "
            "pixel normalisation and use unit_statistics for batch normalisation"
        )
    slopes, of_input = gradient(weights, params, scale * ones, scale)
    # R is proportional to the input, so its derivative there gives R back, unless it underflowed.
    if not np.isclose(float((scale * of_input).sum()), _HEADROOM**2, rtol=1e-2):
        raise InputError(_TOO_DEEP)
    return {
        path: np.asarray(leaf, np.float64) * np.asarray(slopes[path], np.float64) / _HEADROOM**2
        for path, leaf in weights.items()
    }


def unit_statistics(batch_stats: Any) -> Any:
    """Return normalisation statistics that leave activations as they are: means 0, variances 1."""
    units = {
        path: np.full(np.shape(leaf), path.endswith("var"), np.float32)
        for path, leaf in leaf_paths(batch_stats).items()
    }
    return replace_leaves(batch_stats, units)


def _first_in_range(totals: Iterable[float]) -> float:
    finite = True
    for total in totals:
        if np.isfinite(total) and total > 0:
            return total
        finite = finite and bool(np.isfinite(total))
    if not finite:
        raise InputError(_TOO_DEEP)
    return 0.0


@lru_cache(maxsize=4)
def _compiled(logits_fn: Pinned) -> tuple[Any, Any]:
    flow = _flow_of(logits_fn)
    return compiled(flow), compiled(jax.grad(flow, argnums=(0, 2)))


def _flow_of(logits_fn: LogitsOf) -> Callable[..., Array]:
    def flow(weights: dict[str, Array], params: Params, x: Array, factor: Array) -> Array:
        outputs = logits_fn(replace_leaves(params, weights), x)
        return factor * outputs.astype(jnp.float32).sum()

    return flow


def _of_network(subject: ScoredNetwork) -> ScoreFn:
    """Score a network without its normalisation of pixels and batches."""
    (taken, *others) = subject.inputs
    if others or not hasattr(subject.model, "mean"):
        raise InputError(
            f"criterion='synflow' scores networks of images by an image of ones; this one takes "
            f"{', '.join(map(str, subject.inputs))}: choose another criterion"
        )
    model = subject.model.clone(mean=(0.0,), std=(1.0,), dtype=jnp.float32)
    batch_stats = unit_statistics(subject.batch_stats)

    def logits_fn(params: Params, x: Array) -> Array:
        return models.logits(model, params, batch_stats, x)

    # Nobody changes what it closes over, so that rounds need not trace it again.
    network = Pinned(logits_fn)
    score = partial(synflow, prunable=subject.prunable, exclude=subject.exclude)
    return lambda params, mask: score(network, params, taken.shape, mask=mask)


SYNFLOW = CriterionEntry(_of_network, in_rounds=True, rounds=100)  # Tanaka et al. 2020
