"""Deterministic splits and subsets, balanced over classes where there are some.

Which images are held out never depends on a run's seed, so that all runs of a comparison are
judged on the same ones.
"""

import numpy as np

from rtickets.data.arrays import Split
from rtickets.errors import InputError

_SPLIT_SEED = 0


def hold_out(
    split: Split, fraction: float, name: str, strata: np.ndarray | None = None
) -> tuple[Split, Split]:
    """Split off a random part, stratified by class.

    Args:
        fraction: part of every class to split off, in (0, 1).
        name: what the error calls the part.
        strata: the classes, integers (N,), all alike to split at random; None is those that images
            of the split have.

    Returns:
        (rest, part), both in the original order.

    Raises:
        InputError: if a class, or all, would be left without an example on either side.
    """
    generator = np.random.default_rng(_SPLIT_SEED)
    held = np.zeros(len(split), bool)
    for label, members in enumerate(_by_class(split, strata)):
        count = round(members.size * fraction)
        if not 0 < count < members.size:
            which = f" of class {label}" if members.size < len(split) else ""
            raise InputError(
                f"{name}: {fraction} of the {members.size} examples{which} leaves one side empty; "
                "choose another fraction, or more examples"
            )
        held[generator.permutation(members)[:count]] = True
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))


def few_shot(
    split: Split, examples: int, seed: int, strata: np.ndarray | None = None, name: str = ""
) -> Split:
    """Draw a random subset, balanced over classes.

    Args:
        examples: size of the subset; class sizes differ by at most one.
        name: what errors say asks for so many; '' is the field `train_examples`.
        seed: of the draw; a larger subset of the same seed contains the smaller.
        strata: the classes, integers (N,), all alike to split at random; None is those that images
            of the split have.

    Raises:
        InputError: if a class, or the split, is too small, or a class would get no example.
    """
    classes, name = _by_class(split, strata), name or f"train_examples={examples}"
    if examples < len(classes):
        raise InputError(f"{name} is fewer than the {len(classes)} classes")
    generator = np.random.default_rng([_SPLIT_SEED, seed])
    chosen = []
    for label, members in enumerate(classes):
        count = examples // len(classes) + (label < examples % len(classes))
        if count > members.size:
            which = f"needs {count} examples of class {label}, which has"
            raise InputError(
                f"{name} {which if len(classes) > 1 else 'is more than the'} "
                f"{members.size} for training"
            )
        chosen.append(generator.permutation(members)[:count])
    return split.take(np.sort(np.concatenate(chosen)))


def limited_count(fraction: float, examples: int) -> int:
    """Return how many examples a part of them is, at least one."""
    return max(round(fraction * examples), 1)


def first_examples(split: Split, examples: int, strata: np.ndarray, name: str) -> Split:
    """Take the first examples, in their order.

    Args:
        strata: the classes, integers (N,), all alike where there are none.
        name: what errors say asks for them.

    Raises:
        InputError: if a class would be without an example.
    """
    missing = np.setdiff1d(strata, strata[:examples])
    if missing.size:
        raise InputError(
            f"{name}: the first {examples:,} of {len(split):,} examples hold none of class "
            f"{missing[0]}; take more, or train_choice='random'"
        )
    return split.take(np.arange(examples))


def first_of_every_class(split: Split, examples: int, strata: np.ndarray, name: str) -> Split:
    """Take the first so many examples of every class, in the order of the split.

    Args:
        strata: the classes, integers (N,).
        name: what errors say asks for them.

    Raises:
        InputError: if a class has fewer.
    """
    chosen = []
    for label, members in enumerate(_by_class(split, strata)):
        if members.size < examples:
            raise InputError(f"{name} is more than class {label} has for training, {members.size}")
        chosen.append(members[:examples])
    return split.take(np.sort(np.concatenate(chosen)))


def epoch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the examples in an epoch, a permutation of range(examples), int32.

    A pure function of its arguments, so a run that is resumed needs no iterator state.
    """
    return np.random.default_rng([1, seed, epoch]).permutation(examples).astype(np.int32)


def _by_class(split: Split, strata: np.ndarray | None) -> list[np.ndarray]:
    """Return the examples of every class, in order; one pass, however many classes there are."""
    strata = split.labels if strata is None else strata
    order = np.argsort(strata, kind="stable")
    return np.split(order, np.cumsum(np.bincount(strata))[:-1])
