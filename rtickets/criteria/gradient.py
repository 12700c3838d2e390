"""Scores from gradients on data: SNIP, Taylor expansion and GraSP, clean or adversarial.

A loss function maps (params, *batch) to the mean loss of the batch, a scalar. A batch is a tuple of
arrays with the examples on axis 0. `perturb` maps (params, *batch) to the batch that the loss is
taken on instead, which is not differentiated through. Both are compiled once per function object,
so scoring in rounds should pass the same ones again.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.criteria.losses import Batch, LossFn, Perturb
from rtickets.criteria.weights import Scores, prunable_leaves, replace_leaves
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE, Params


def snip(
    loss_fn: LossFn,
    params: Params,
    batches: Sequence[Batch],
    *,
    perturb: Perturb | None = None,
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Scores:
    """Score a weight w by |w dL/dw|, L the mean loss of all examples (Lee et al. 2019).

    Args:
        loss_fn: see the head of this module.
        params: pytree of weights.
        batches: the data; batches may differ in size.
        perturb: changes every batch first, for instance `adversarial(...)`.
        prunable: see `rtickets.masks.select`.
        exclude: likewise.

    Returns:
        float32 arrays by path, not negative. They are not divided by their sum as in the paper,
        which changes no order.

    Raises:
        InputError: for batches without examples or an expression that matches no leaf.
    """
    params = jax.tree.map(jnp.asarray, params)
    weights = prunable_leaves(params, prunable, exclude)
    gradient = _mean_gradient(loss_fn, perturb, weights, params, batches)
    return {p: np.abs(value).astype(np.float32) for p, value in _times(weights, gradient).items()}


def taylor(
    loss_fn: LossFn,
    params: Params,
    batches: Sequence[Batch],
    *,
    squared: bool = True,
    perturb: Perturb | None = None,
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Scores:
    """Score a weight w by the mean over batches of (w dL/dw)^2, L a batch's mean loss.

    That is the first-order importance of Molchanov et al. (2019). Gradients of different batches do
    not cancel, as they do in SNIP. Batches of one example give the mean over examples.

    Args:
        loss_fn: see the head of this module.
        params: pytree of weights.
        batches: the data; a batch counts by its number of examples.
        squared: take the mean of |w dL/dw| instead if False.
        perturb: changes every batch first, for instance `adversarial(...)`.
        prunable: see `rtickets.masks.select`.
        exclude: likewise.

    Returns:
        float32 arrays by path, not negative.

    Raises:
        InputError: for batches without examples or an expression that matches no leaf.
    """
    params = jax.tree.map(jnp.asarray, params)
    weights = prunable_leaves(params, prunable, exclude)
    compiled = _gradient(loss_fn, perturb)

    def importance(batch: Batch) -> Scores:
        products = _times(weights, compiled(weights, params, *batch))
        return {p: value**2 if squared else np.abs(value) for p, value in products.items()}

    mean = _mean(importance, batches)
    return {path: value.astype(np.float32) for path, value in mean.items()}


def grasp(
    loss_fn: LossFn,
    params: Params,
    batches: Sequence[Batch],
    *,
    perturb: Perturb | None = None,
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Scores:
    """Score a weight w by w (H g), so that what hinders the gradient's flow dies first.

    g and H are gradient and Hessian of the mean loss of all examples, over the prunable weights.
    Wang et al. (2020) score with -w (H g) and remove the largest. Removing a weight lowers the
    squared norm of the gradient by about twice our score; a negative score means that it grows.

    Args:
        loss_fn: see the head of this module; `cross_entropy(logits_fn, GRASP_TEMPERATURE)` is the
            published one.
        params: pytree of weights.
        batches: the data; batches may differ in size. Every one is read twice.
        perturb: changes every batch first, for instance `adversarial(...)`.
        prunable: see `rtickets.masks.select`.
        exclude: likewise.

    Returns:
        float32 arrays by path, of either sign.

    Raises:
        InputError: for batches without examples or an expression that matches no leaf.
    """
    params = jax.tree.map(jnp.asarray, params)
    weights = prunable_leaves(params, prunable, exclude)
    gradient = _mean_gradient(loss_fn, perturb, weights, params, batches)
    direction = {path: jnp.asarray(gradient[path], weights[path].dtype) for path in weights}
    compiled = _hessian_product(loss_fn, perturb)
    curvature = _mean(lambda batch: compiled(weights, direction, params, *batch), batches)
    return {p: value.astype(np.float32) for p, value in _times(weights, curvature).items()}


def _mean_gradient(
    loss_fn: LossFn,
    perturb: Perturb | None,
    weights: dict[str, Array],
    params: Params,
    batches: Sequence[Batch],
) -> Scores:
    compiled = _gradient(loss_fn, perturb)
    return _mean(lambda batch: compiled(weights, params, *batch), batches)


def _mean(part: Callable[[Batch], Any], batches: Sequence[Batch]) -> Scores:
    """Average what `part` returns over all examples, on the host in float64."""
    count = sum(len(batch[0]) for batch in batches)
    if count == 0:
        raise InputError("batches hold no examples; a score from data needs some")
    total: Scores = {}
    for batch in batches:
        share = len(batch[0]) / count
        for path, value in part(batch).items():
            total[path] = total.get(path, 0) + share * np.asarray(value, np.float64)
    return total


def _times(weights: Mapping[str, Any], values: Mapping[str, Any]) -> Scores:
    """Multiply leaf by leaf, on the host in float64: squares of small gradients would vanish."""
    return {p: np.asarray(weights[p], np.float64) * np.asarray(values[p]) for p in weights}


@lru_cache(maxsize=4)
def _gradient(loss_fn: LossFn, perturb: Perturb | None) -> Any:
    def gradient(weights: dict[str, Array], params: Params, *batch: Array) -> dict[str, Array]:
        return jax.grad(_loss_of_weights(loss_fn, perturb, params, batch))(weights)

    return jax.jit(gradient)


@lru_cache(maxsize=4)
def _hessian_product(loss_fn: LossFn, perturb: Perturb | None) -> Any:
    def product(
        weights: dict[str, Array], direction: dict[str, Array], params: Params, *batch: Array
    ) -> dict[str, Array]:
        gradient = jax.grad(_loss_of_weights(loss_fn, perturb, params, batch))
        return jax.jvp(gradient, (weights,), (direction,))[1]

    return jax.jit(product)


def _loss_of_weights(
    loss_fn: LossFn, perturb: Perturb | None, params: Params, batch: Batch
) -> Callable[[dict[str, Array]], Array]:
    if perturb is not None:
        batch = perturb(params, *batch)
    return lambda weights: loss_fn(replace_leaves(params, weights), *batch)
