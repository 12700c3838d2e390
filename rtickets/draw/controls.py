"""Controls: masks that keep some of what a drawn mask has and lose the rest."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_args

import jax
import numpy as np

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.masks.arguments import check_integer, check_share
from rtickets.masks.layout_names import layouts_of
from rtickets.masks.layouts import Layout, join, split
from rtickets.masks.patterns import (
    Pattern,
    expand,
    group_sizes,
    keep_n_of_m,
    living_groups,
    parse_pattern,
    runs_of_inputs,
)

Control = Literal[
    "random", "shuffled", "complement", "flipped", "perturbed", "mask_noise",
    "reinitialised", "permuted_layers", "weight_noise",
]  # fmt: skip
OTHER_WEIGHTS = ("reinitialised", "permuted_layers", "weight_noise")
"""Controls that keep the mask and change the weights under it."""
_IN_GROUPS = ("random", "flipped", "perturbed", "mask_noise")
_Leaf = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def control_mask(
    mask: Mask,
    control: Control,
    seed: int,
    flip_fraction: float = 0.1,
    pattern: str = "element",
    *,
    params: Params | None = None,
    layouts: Mapping[str, str] | None = None,
) -> Mask:
    """Return a control of a mask, in the mask's pattern.

    It has as many survivors in every layer, unless it is 'complement' or 'perturbed'.

    Args:
        mask: a drawn mask; for groups that are random or flipped one of `pattern`.
        control: 'random' keeps the number of surviving groups of every layer, which is a leaf or a
            copy of a stack, and nothing else; 'shuffled' permutes inputs and outputs, so that the
            shapes of the surviving kernels stay; 'complement' keeps what was removed, and no other
            number; 'flipped' exchanges a fraction of every layer's surviving groups for removed
            ones; 'perturbed' removes that fraction of the survivors and revives that fraction of
            the others, so that masks of less than half the weights grow; 'mask_noise' exchanges
            as many survivors for removed ones as that fraction of all groups of a layer is, or all
            that it has of either (Chen et al. 2020); those of `OTHER_WEIGHTS` keep the mask, whose
            weights others change. Blocks change places with blocks of their own size, smaller ones
            lie at the edges.
        seed: of the control. A layer's result depends on the seed and its place in the mask: random
            controls of two masks by one seed are as alike as these, and nested where these are.
        flip_fraction: for 'flipped', 'perturbed' and 'mask_noise', in [0, 1].
        pattern: what lives or dies together, see `rtickets.masks.patterns`.
        params: the weights, or their shapes: biases tell what the axes of kernels are, which shapes
            of prunable leaves alone may not.
        layouts: what they are where that cannot be inferred, see `rtickets.masks.layout_names`.

    Raises:
        InputError: for an unknown control, one that would not keep the pattern, a fraction outside
            [0, 1], a mask that is none or not of `params`, or, for random and flipped groups, not
            of `pattern`, or a kernel of unknown layout where that matters: for shuffled channels,
            and random or flipped groups.
    """
    masks.check(mask, params)
    _check_control(control, pattern)
    check_share("flip_fraction", flip_fraction, closed=True)
    check_integer("seed", seed, 0)
    parsed = parse_pattern(pattern)
    n_of_m = partial(_random_n_of_m, sizes=parsed.sizes)
    makers: dict[str, _Leaf] = {
        "random": n_of_m if parsed.name == "n:m" else _of_groups(_permute, parsed),
        "shuffled": _shuffle,
        "complement": lambda keep, _: ~keep,
        "flipped": _of_groups(partial(_flip, fraction=flip_fraction), parsed),
        "perturbed": _of_groups(partial(_perturb, fraction=flip_fraction), parsed),
        "mask_noise": _of_groups(partial(_flip_of_all, fraction=flip_fraction), parsed),
        **dict.fromkeys(OTHER_WEIGHTS, lambda keep, _: keep),
    }
    kept = {path: keep for path, keep in masks.prunable_leaves(mask).items() if keep.size}
    shaped = mask if params is None else params
    seen = layouts_of(shaped, kept, layouts, _layouts_needed_by(control, pattern))
    # A mask of another pattern has more living groups than its survivors would fill.
    if control in _IN_GROUPS:
        _check_fits(split(kept, seen), parsed, control)
    # The index counts all leaves: a layer's draw does not depend on which others are prunable.
    leaves = [
        _by_layer(makers[control], kept[path], seen[path], [seed, index]) if path in kept else leaf
        for index, (path, leaf) in enumerate(masks.leaf_paths(mask).items())
    ]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(mask), leaves)


def _layouts_needed_by(control: Control, pattern: str) -> str | None:
    if control == "shuffled":
        return "control='shuffled'"
    grouped = control in _IN_GROUPS and pattern != "element"
    return f"control={control!r} of pattern={pattern!r}" if grouped else None


def _by_layer(make: _Leaf, keep: np.ndarray, layout: Layout | None, seeds: list[int]) -> np.ndarray:
    """Do to every layer of a kernel what `make` does to one in its canonical view."""
    layers = split({"": keep}, {"": layout})
    stacked = layout is not None and layout.stacked
    made = {
        name: make(layer, np.random.default_rng([*seeds, index] if stacked else seeds))
        for index, (name, layer) in enumerate(layers.items())
    }
    return join(made, {"": keep.shape}, {"": layout})[""]


def _check_control(control: Control, pattern: str) -> None:
    """Refuse a control that would not keep a pattern."""
    if control not in get_args(Control):
        raise InputError(f"control={control!r} is unknown; choose {', '.join(get_args(Control))}")
    name = parse_pattern(pattern).name
    of_n_of_m = ("shuffled", "flipped", "perturbed", "mask_noise")
    if control in {"block": ("shuffled",), "n:m": of_n_of_m}.get(name, ()):
        raise InputError(
            f"control={control!r} would not keep pattern={pattern!r}; choose another control"
        )


def _check_fits(layers: Mapping[str, np.ndarray], pattern: Pattern, control: Control) -> None:
    """Refuse a mask that is not of a pattern: its control in the pattern has another sparsity."""
    for path, keep in layers.items():
        if pattern.name == "n:m":
            n, m = pattern.sizes
            fits = keep.shape[-2] % m == 0 and (runs_of_inputs(keep, m).sum(1) == n).all()
            wrong = "" if fits else f"not {n} of every {m} inputs of {path} live"
        else:
            lives, parts = living_groups(keep, pattern)
            wrong = f"{parts:,} of {lives.size:,} groups of {path} live in part" if parts else ""
        if wrong:
            raise InputError(
                f"control={control!r}: {wrong}, so the mask is not of pattern='{pattern}'; give "
                "the pattern that it was drawn in"
            )


def _of_groups(make: _Leaf, pattern: Pattern) -> _Leaf:
    """Do to the groups of every size what `make` does to weights."""

    def made(keep: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        lives, sizes = living_groups(keep, pattern)[0], group_sizes(keep.shape, pattern)
        changed = lives.copy()
        for size in np.unique(sizes):
            same = sizes == size
            changed[same] = make(lives[same], generator)
        return expand(changed, keep.shape, pattern)

    return made


def _permute(keep: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.permutation(keep.ravel()).reshape(keep.shape)


def _random_n_of_m(
    keep: np.ndarray, generator: np.random.Generator, sizes: tuple[int, ...]
) -> np.ndarray:
    return keep_n_of_m(generator.random(keep.shape, np.float32), *sizes)


def _shuffle(keep: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    for axis in range(max(keep.ndim - 2, 0), keep.ndim):
        keep = np.take(keep, generator.permutation(keep.shape[axis]), axis)
    return keep


def _flip(keep: np.ndarray, generator: np.random.Generator, fraction: float) -> np.ndarray:
    return _exchange(keep, generator, round(int(keep.sum()) * fraction))


def _flip_of_all(keep: np.ndarray, generator: np.random.Generator, fraction: float) -> np.ndarray:
    return _exchange(keep, generator, round(keep.size * fraction))


def _exchange(keep: np.ndarray, generator: np.random.Generator, count: int) -> np.ndarray:
    alive, dead = np.flatnonzero(keep), np.flatnonzero(~keep)
    count = min(count, len(alive), len(dead))
    flipped = keep.copy().ravel()
    flipped[generator.choice(alive, count, replace=False)] = False
    flipped[generator.choice(dead, count, replace=False)] = True
    return flipped.reshape(keep.shape)


def _perturb(keep: np.ndarray, generator: np.random.Generator, fraction: float) -> np.ndarray:
    changed = keep.copy().ravel()
    for places in (np.flatnonzero(keep), np.flatnonzero(~keep)):
        chosen = generator.choice(places, round(len(places) * fraction), replace=False)
        changed[chosen] = ~changed[chosen]
    return changed.reshape(keep.shape)
