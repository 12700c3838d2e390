"""Tickets of others: masks that lie in a state dict, as its tensors or as scores of them.

`torch.nn.utils.prune` keeps `weight_orig` and `weight_mask` in the place of `weight`, others the
mask beside `weight`. Hidden networks (Ramanujan et al. 2020) and HYDRA (Sehwag et al. 2020) keep a
score for every weight, and use those of a layer with the largest magnitudes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rtickets.errors import InputError
from rtickets.importers.hints import Hint
from rtickets.importers.tensors import Tensor

_SCORES = r"popup_scores|scores"


class Pruned(NamedTuple):
    """Masks found in a state dict.

    Attributes:
        masks: boolean arrays by the name of the tensor that they belong to.
        parts: the name of that tensor for every tensor that was merged into it.
        kinds: number of masks by what they were read from.
    """

    masks: dict[str, np.ndarray]
    parts: dict[str, str]
    kinds: dict[str, int]


def take_masks(
    tensors: Mapping[str, Tensor], kept: float | None, shares: Sequence[Hint] = ()
) -> tuple[Mapping[str, Tensor], Pruned]:
    """Take the masks out of a state dict.

    Args:
        kept: share of the weights of every layer that scores keep, or None.
        shares: what the file says about it, for the error.

    Returns:
        (the tensors without masks and scores, `weight_orig` under the name `weight`; the masks).

    Raises:
        InputError: if a mask is not one of zeros and ones of its tensor's shape, or there are
            scores and no share.
    """
    plain = dict(tensors)
    pruned = Pruned({}, {}, {})
    for name in tensors:
        if match := re.fullmatch(r"(?P<target>(.*\.)?(weight|bias))_mask", name):
            _take_mask(plain, pruned, name, match["target"])
        elif match := re.fullmatch(rf"(?P<layer>.*\.)({_SCORES})", name):
            target = f"{match['layer']}weight"
            if target in tensors:
                _take_scores(plain, pruned, name, target, _share(name, kept, shares))
    if kept is not None and "scores" not in pruned.kinds:
        raise InputError(f"--scores-keep={kept:g}: the file holds no scores; leave the option")
    return plain, pruned


def _take_mask(plain: dict[str, Tensor], pruned: Pruned, name: str, target: str) -> None:
    original = f"{target}_orig"
    if original in plain:
        plain[target] = plain.pop(original)
        pruned.parts[original] = target
    if target not in plain:
        raise InputError(f"{name} is the mask of no tensor: there is no {target} or {original}")
    mask = np.asarray(plain.pop(name))
    if tuple(mask.shape) != tuple(plain[target].shape) or not np.isin(mask, (0, 1)).all():
        raise InputError(
            f"{name} is no mask of {target}: expected zeros and ones of the shape "
            f"{tuple(plain[target].shape)}"
        )
    _note(pruned, name, target, mask.astype(bool), "masks")


def _share(name: str, kept: float | None, shares: Sequence[Hint]) -> float:
    if kept is None:
        said = f"; the file has {', '.join(map(str, shares))}" if shares else ""
        raise InputError(
            f"{name} holds scores, not a mask: give --scores-keep, the share of the weights of "
            f"every layer that are kept, such as 0.1, or 1 for a network that is not pruned{said}"
        )
    return kept


def _take_scores(
    plain: dict[str, Tensor], pruned: Pruned, name: str, target: str, kept: float
) -> None:
    scores = np.abs(np.asarray(plain.pop(name), np.float32))
    if tuple(scores.shape) != tuple(plain[target].shape) or not np.isfinite(scores).all():
        raise InputError(f"{name} is no finite score for every weight of {target}")
    dead = int((1 - kept) * scores.size)  # rounded as in the originals
    mask = np.ones(scores.size, bool)
    mask[np.argsort(scores, axis=None, kind="stable")[:dead]] = False
    _note(pruned, name, target, mask.reshape(scores.shape), "scores")


def _note(pruned: Pruned, name: str, target: str, mask: np.ndarray, kind: str) -> None:
    pruned.masks[target] = mask
    pruned.parts[name] = target
    pruned.kinds[kind] = pruned.kinds.get(kind, 0) + 1
