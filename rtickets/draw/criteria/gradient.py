"""Scores from gradients on data: SNIP, Taylor expansion and GraSP, clean or adversarial.

A loss function maps (params, *batch) to the mean loss of the batch, a scalar. A batch is a tuple of
arrays with the examples on axis 0; batches may differ in size and count by it. `perturb` maps
(params, *batch) to the batch that the loss is taken on instead, for instance `adversarial(...)`,
which is not differentiated through. Both are compiled once per function object and what it
computes, so scoring in rounds should pass the same ones again; an object that has changed is traced
to notice, unless it is `Pinned`.

With a `mask` the network is the one without its dead weights, as if they were no parameters: they
are zero, images are attacked so, their gradients count nowhere and their scores are 0. Weights of
half precision are scored as float32, where small gradients would vanish. A complex weight counts as
its two real parts.

Scores are float64 arrays by path, of the leaves that `rtickets.masks.select` marks. Batches without
examples and weights that have no gradient are refused.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import masks
from rtickets.draw.criteria.base import scored_on_data
from rtickets.draw.criteria.current import program_of
from rtickets.draw.criteria.losses import GRASP_TEMPERATURE, Batch, LossFn, Perturb
from rtickets.draw.criteria.weights import Scores
from rtickets.errors import InputError
from rtickets.masks import DEFAULT_PRUNABLE, Mask, Params
from rtickets.masks.prunable import prunable_leaves, replace_leaves
from rtickets.platform.hoisting import compiled
from rtickets.platform.programs import Pinned


def snip(
    loss_fn: LossFn,
    params: Params,
    batches: Sequence[Batch],
    *,
    mask: Mask | None = None,
    perturb: Perturb | None = None,
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Scores:
    """Score a weight w by |w dL/dw|, L the mean loss of all examples (Lee et al. 2019).

    Scores are not divided by their sum as in the paper, which changes no order.
    """
    params, weights = _network(params, mask, prunable, exclude)
    gradient = _mean_gradient(loss_fn, perturb, weights, params, batches)
    return {path: np.abs(value) for path, value in _times(weights, gradient).items()}


def taylor(
    loss_fn: LossFn,
    params: Params,
    batches: Sequence[Batch],
    *,
    mask: Mask | None = None,
    squared: bool = True,
    perturb: Perturb | None = None,
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Scores:
    """Score a weight w by the mean over batches of (w dL/dw)^2, L a batch's mean loss.

    That is the first-order importance of Molchanov et al. (2019); `squared=False` takes the mean of
    |w dL/dw| instead. Gradients of different batches do not cancel, as they do in SNIP. Batches of
    one example give the mean over examples.
    """
    params, weights = _network(params, mask, prunable, exclude)
    compiled = _gradient(*_pinned(loss_fn, perturb, weights, params, batches))

    def importance(batch: Batch) -> Scores:
        products = _times(weights, compiled(weights, params, *batch))
        return {p: value**2 if squared else np.abs(value) for p, value in products.items()}

    return _mean(importance, batches)


def grasp(
    loss_fn: LossFn,
    params: Params,
    batches: Sequence[Batch],
    *,
    mask: Mask | None = None,
    perturb: Perturb | None = None,
    prunable: str = DEFAULT_PRUNABLE,
    exclude: str | None = None,
) -> Scores:
    """Score a weight w by w (H g), so that what hinders the gradient's flow dies first.

    g and H are gradient and Hessian of the mean loss of all examples, over the prunable weights.
    Wang et al. (2020) score with -w (H g) and remove the largest. Removing a weight lowers the
    squared norm of the gradient by about twice our score; a negative score means that it grows.
    `cross_entropy(logits_fn, GRASP_TEMPERATURE)` is the published loss. Every batch is read twice.
    """
    params, weights = _network(params, mask, prunable, exclude)
    gradient = _mean_gradient(loss_fn, perturb, weights, params, batches)
    if mask is not None:
        kept = masks.leaf_paths(mask)
        # Dead weights are no parameters: H g would take their part of g in.
        gradient = {path: np.where(kept[path], value, 0) for path, value in gradient.items()}
    # H g is linear in g, and of small gradients it would vanish: the largest is made about 1.
    largest = max(np.abs(value).max(initial=0) for value in gradient.values())
    scale = float(np.ldexp(1.0, np.frexp(largest)[1]))
    direction = {
        path: jnp.asarray(np.conj(value) / scale, weights[path].dtype)
        for path, value in gradient.items()
    }
    pinned = _pinned(loss_fn, perturb, weights, params, batches)
    compiled = _hessian_product(*pinned)
    curvature = _mean(lambda batch: compiled(weights, direction, params, *batch), batches)
    return {path: scale * value for path, value in _times(weights, curvature).items()}


def _network(
    params: Params, mask: Mask | None, prunable: str, exclude: str | None
) -> tuple[Params, dict[str, Array]]:
    """Return the weights to score a network with, and the prunable ones among them."""
    params = jax.tree.map(_scorable, params if mask is None else masks.apply(mask, params))
    weights = prunable_leaves(params, prunable, exclude)
    for path, leaf in weights.items():
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            raise InputError(
                f"{path} is {leaf.dtype} and has no gradient; score floating-point weights"
            )
    return params, weights


def _scorable(leaf: Any) -> Array:
    leaf = jnp.asarray(leaf)
    half = jnp.issubdtype(leaf.dtype, jnp.floating) and leaf.dtype.itemsize < 4
    return leaf.astype(jnp.float32) if half else leaf


def _mean_gradient(
    loss_fn: LossFn,
    perturb: Perturb | None,
    weights: dict[str, Array],
    params: Params,
    batches: Sequence[Batch],
) -> Scores:
    compiled = _gradient(*_pinned(loss_fn, perturb, weights, params, batches))
    return _mean(lambda batch: compiled(weights, params, *batch), batches)


def _pinned(
    loss_fn: LossFn,
    perturb: Perturb | None,
    weights: dict[str, Array],
    params: Params,
    batches: Sequence[Batch],
) -> tuple[Pinned, Pinned | None]:
    """Return the functions as those that compute what they do now for the first batch."""
    if isinstance(loss_fn, Pinned):
        return loss_fn, perturb and Pinned(perturb)

    def loss(weights: dict[str, Array], params: Params, *batch: Array) -> Array:
        return _loss_of_weights(loss_fn, perturb, params, batch)(weights)

    program = program_of("loss", loss, weights, params, *batches[0]) if batches else ""
    return Pinned(loss_fn, program), perturb and Pinned(perturb, program)


def _mean(part: Callable[[Batch], Any], batches: Sequence[Batch]) -> Scores:
    """Average what `part` returns over all examples, on the host in float64."""
    count = sum(len(batch[0]) for batch in batches)
    if count == 0:
        raise InputError("batches hold no examples; a score from data needs some")
    total: Scores = {}
    for batch in batches:
        share = len(batch[0]) / count
        for path, value in part(batch).items():
            total[path] = total.get(path, 0) + share * _wide(value)
    return total


def _times(weights: Mapping[str, Any], values: Mapping[str, Any]) -> Scores:
    """Multiply leaf by leaf, on the host in float64: squares of small gradients would vanish.

    JAX's gradient in x + iy is dL/dx - i dL/dy, so that the real part of the product is
    x dL/dx + y dL/dy: the derivative in a mask entry that multiplies both.
    """
    return {path: np.real(_wide(weights[path]) * _wide(values[path])) for path in weights}


def _wide(values: Any) -> np.ndarray:
    """Return values on the host in double precision."""
    return np.asarray(values, np.complex128 if np.iscomplexobj(values) else np.float64)


@lru_cache(maxsize=4)
def _gradient(loss_fn: LossFn, perturb: Perturb | None) -> Any:
    def gradient(weights: dict[str, Array], params: Params, *batch: Array) -> dict[str, Array]:
        return jax.grad(_loss_of_weights(loss_fn, perturb, params, batch))(weights)

    return compiled(gradient)


@lru_cache(maxsize=4)
def _hessian_product(loss_fn: LossFn, perturb: Perturb | None) -> Any:
    def product(
        weights: dict[str, Array], direction: dict[str, Array], params: Params, *batch: Array
    ) -> dict[str, Array]:
        gradient = jax.grad(_loss_of_weights(loss_fn, perturb, params, batch))
        return jax.jvp(gradient, (weights,), (direction,))[1]

    return compiled(product)


def _loss_of_weights(
    loss_fn: LossFn, perturb: Perturb | None, params: Params, batch: Batch
) -> Callable[[dict[str, Array]], Array]:
    if perturb is not None:
        batch = perturb(params, *batch)
    return lambda weights: loss_fn(replace_leaves(params, weights), *batch)


SNIP = scored_on_data(snip, passes=3)
TAYLOR = scored_on_data(taylor, passes=3)
GRASP = scored_on_data(grasp, 9, GRASP_TEMPERATURE, signed=True)  # H g: twice as much as g
