"""Masks at the start that are not learnt: random, by magnitude, SNIP, GraSP, SynFlow.

All remove the same part of the same weights (`sparsity`, of the maskable set). Scores are those of
the textbooks, `rtickets.draw.criteria`. `published` are those that Ghosh et al. (2024) compare
with: SNIP by the gradient alone, SynFlow by the gradient of the sum of outputs for the
network's own noise and signed weights, GraSP by H g + g without the weights.
"""

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
from rtickets.restoration.fitting import paint
from rtickets.restoration.generators import Painter
from rtickets.restoration.learning import MaskConfig
from rtickets.restoration.problem import Problem
from rtickets.tasks.restoration import NOISE, SEEN

Criterion = Literal["random", "magnitude", "snip", "grasp", "synflow"]
_ROUNDS = 100  # of SynFlow (Tanaka et al. 2020)


def nothing_removed(params: Params) -> Mask:
    """Return the mask of a dense network."""
    return jax.tree.map(lambda _: np.ones((), bool), params)


def initial_mask(
    painter: Painter,
    problem: Problem,
    criterion: Criterion,
    config: MaskConfig,
    seed: int = 0,
    *,
    published: bool = False,
    rounds: int = _ROUNDS,
) -> Mask:
    """Return a mask over the weights of a network as they are.

    Args:
        config: its `sparsity` and `maskable` count.
        seed: of random masks.
        published: see the head of this file; random masks and those by magnitude know no other.
        rounds: in which SynFlow's scores are taken; one if `published`.

    Raises:
        InputError: if the criterion is unknown, or does not tell weights apart.
    """
    if criterion not in get_args(Criterion):
        raise InputError(
            f"criterion={criterion!r} is unknown; choose {', '.join(get_args(Criterion))}"
        )
    where, sparsity = config.prunable, config.sparsity
    if criterion in ("random", "magnitude"):
        kind = cast(Any, criterion)
        return draw_omp(painter.params, sparsity, criterion=kind, seed=seed, prunable=where)
    if published:
        scores = _published(painter, problem, criterion, config)
        return draw_omp(painter.params, sparsity, scores=scores, prunable=where)
    if criterion == "synflow":
        return _synflow(painter, config, rounds)
    height, width = problem.shape[:2]
    rest = dict(problem.batch)

    def loss(params: Params, noise: Array, others: Any) -> Array:
        picture = paint(painter.model, params, noise, (height, width))
        return problem.task.loss(picture, others).mean()

    score = snip if criterion == "snip" else grasp
    scores = score(loss, painter.params, [(painter.noise, rest)], prunable=where)
    return draw_omp(painter.params, sparsity, scores=scores, prunable=where)


def _synflow(painter: Painter, config: MaskConfig, rounds: int) -> Mask:
    """Return the mask of SynFlow, sparsities growing geometrically from round to round."""
    head = Picture(use_bias="bias" in painter.params["head"]["paint"], squash=False)
    model = painter.model.clone(linear=True, make_head=head)

    def outputs(params: Params, noise: Array) -> Array:
        return cast(Array, model.apply({"params": params}, noise)).mean((1, 2))

    mask = None
    for number in range(1, rounds + 1):
        sparsity = 1 - (1 - config.sparsity) ** (number / rounds)
        scores = synflow(
            outputs, painter.params, painter.noise.shape[1:], mask=mask, prunable=config.prunable
        )
        mask = draw_omp(
            painter.params, sparsity, scores=scores, start=mask, prunable=config.prunable
        )
    return mask


def _published(painter: Painter, problem: Problem, criterion: str, config: MaskConfig) -> Any:
    batch, model = problem.painted_from(painter.noise), painter.model
    weights = prunable_leaves(painter.params, config.prunable)

    def picture(weights: Any) -> Array:
        params = replace_leaves(painter.params, weights)
        return paint(model, params, batch[NOISE], batch[SEEN].shape[1:3])

    def loss(weights: Any) -> Array:
        return problem.task.loss(picture(weights), batch).mean()

    def total(weights: Any) -> Array:
        return jnp.abs(picture(weights).sum())

    if criterion == "grasp":  # H g + g, largest removed

        def half(weights: Any) -> Array:
            slope = jax.grad(loss)(weights)
            products = [(slope[path] * weights[path]).sum() for path in weights]
            return sum(products[1:], start=products[0])

        found = jax.jit(jax.grad(half))(weights)
        return {path: -np.asarray(value, np.float64) for path, value in found.items()}
    found = jax.jit(jax.grad(loss if criterion == "snip" else total))(weights)
    return {path: np.abs(np.asarray(value, np.float64)) for path, value in found.items()}


def density_by_layer(mask: Mask) -> dict[str, float]:
    """Return the part of every masked leaf that lives, by path."""
    leaves = masks.leaf_paths(mask)
    return {path: float(np.mean(leaf)) for path, leaf in leaves.items() if np.ndim(leaf)}
