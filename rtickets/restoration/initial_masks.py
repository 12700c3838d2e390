"""Masks at the start that are not learnt: random, by magnitude, SNIP, GraSP, SynFlow.

All remove the same part of the same weights (`sparsity`, of the maskable set). Scores are those of
the textbooks, `rtickets.draw.criteria`. `published` are those that Ghosh et al. (2024) compare
with: SNIP by the gradient alone, SynFlow by the gradient of the sum of outputs for the
network's own noise and signed weights, GraSP by H g + g without the weights.
"""

from functools import lru_cache
from typing import Any, Literal, cast, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import masks
from rtickets.draw import draw_omp
from rtickets.draw.criteria import grasp, snip, synflow
from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.masks.prunable import prunable_leaves, replace_leaves
from rtickets.models.heads.picture import Picture
from rtickets.restoration.fit_steps import paint
from rtickets.restoration.generators import Painter
from rtickets.restoration.mask_settings import PRUNABLE, Maskable
from rtickets.restoration.problem import Problem
from rtickets.tasks.restoration import NOISE, SEEN, Restoration

Criterion = Literal["random", "magnitude", "snip", "grasp", "synflow"]
ROUNDS = 100  # of SynFlow (Tanaka et al. 2020)


def nothing_removed(params: Params) -> Mask:
    """Return the mask of a dense network."""
    return jax.tree.map(lambda _: np.ones((), bool), params)


def initial_mask(
    painter: Painter,
    problem: Problem,
    criterion: Criterion,
    sparsity: float,
    seed: int = 0,
    *,
    maskable: Maskable = "kernels",
    published: bool = False,
    rounds: int = ROUNDS,
) -> Mask:
    """Return a mask over the weights of a network as they are.

    Args:
        sparsity: removed part of the maskable weights.
        seed: of random masks.
        maskable: see `MaskConfig`.
        published: see the head of this file; random masks and those by magnitude know no other.
        rounds: in which SynFlow's scores are taken; one if `published`.

    Raises:
        InputError: if the criterion is unknown, or does not tell weights apart.
    """
    if criterion not in get_args(Criterion):
        raise InputError(
            f"criterion={criterion!r} is unknown; choose {', '.join(get_args(Criterion))}"
        )
    where, params = PRUNABLE[maskable], painter.params
    if criterion in ("random", "magnitude"):
        kind = cast(Any, criterion)
        return draw_omp(params, sparsity, criterion=kind, seed=seed, prunable=where)
    if published:
        scores = _published(painter, problem, criterion, where)
        return draw_omp(params, sparsity, scores=scores, prunable=where)
    if criterion == "synflow":
        return _synflow(painter, sparsity, where, rounds)
    score = snip if criterion == "snip" else grasp
    batches = [(painter.noise, dict(problem.batch))]
    scores = score(_loss_of(painter.model, problem.task), params, batches, prunable=where)
    return draw_omp(params, sparsity, scores=scores, prunable=where)


@lru_cache(maxsize=8)
def _loss_of(model: Any, task: Restoration) -> Any:
    """Return the loss of (weights, noise, the rest of a batch); the same one compiles once."""

    def loss(params: Params, noise: Array, others: Any) -> Array:
        picture = paint(model, params, noise, others[SEEN].shape[1:3])
        return task.loss(picture, others).mean()

    return loss


def _synflow(painter: Painter, final: float, where: str, rounds: int) -> Mask:
    """Return the mask of SynFlow, sparsities growing geometrically from round to round."""
    outputs = _flow_of(painter.model, "bias" in painter.params["head"]["paint"])
    mask = None
    for number in range(1, rounds + 1):
        sparsity = 1 - (1 - final) ** (number / rounds)
        scores = synflow(
            outputs, painter.params, painter.noise.shape[1:], mask=mask, prunable=where
        )
        mask = draw_omp(painter.params, sparsity, scores=scores, start=mask, prunable=where)
    return mask


@lru_cache(maxsize=8)
def _flow_of(model: Any, use_bias: bool) -> Any:
    linear = model.clone(linear=True, make_head=Picture(use_bias=use_bias, squash=False))

    def outputs(params: Params, noise: Array) -> Array:
        return cast(Array, linear.apply({"params": params}, noise)).mean((1, 2))

    return outputs


def _published(painter: Painter, problem: Problem, criterion: str, where: str) -> Any:
    weights = prunable_leaves(painter.params, where)
    scores = _published_scores(painter.model, problem.task, criterion)
    found = scores(weights, painter.params, problem.painted_from(painter.noise))
    if criterion == "grasp":  # H g + g, largest removed
        return {path: -np.asarray(value, np.float64) for path, value in found.items()}
    return {path: np.abs(np.asarray(value, np.float64)) for path, value in found.items()}


@lru_cache(maxsize=8)
def _published_scores(model: Any, task: Restoration, criterion: str) -> Any:
    def picture(weights: Any, params: Params, batch: Any) -> Array:
        whole = replace_leaves(params, weights)
        return paint(model, whole, batch[NOISE], batch[SEEN].shape[1:3])

    def loss(weights: Any, params: Params, batch: Any) -> Array:
        return task.loss(picture(weights, params, batch), batch).mean()

    def total(weights: Any, params: Params, batch: Any) -> Array:
        return jnp.abs(picture(weights, params, batch).sum())

    def half(weights: Any, params: Params, batch: Any) -> Array:
        slope = jax.grad(loss)(weights, params, batch)
        products = [(slope[path] * weights[path]).sum() for path in weights]
        return sum(products[1:], start=products[0])

    return jax.jit(jax.grad({"snip": loss, "synflow": total, "grasp": half}[criterion]))


def density_by_layer(mask: Mask) -> dict[str, float]:
    """Return the part of every masked leaf that lives, by path."""
    leaves = masks.leaf_paths(mask)
    return {path: float(np.mean(leaf)) for path, leaf in leaves.items() if np.ndim(leaf)}
