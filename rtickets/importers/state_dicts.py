"""The state dict in what a checkpoint holds, and which of several it is."""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from rtickets.errors import InputError
from rtickets.importers.tensors import StoredTensor, Tensor
from rtickets.storage.pickles import InertType

Weights = Literal["raw", "ema"]

# Where training scripts keep the state dict, the first that is there.
_USUAL_KEYS = ("state_dict", "model", "model_state_dict", "model_state", "net", "network", "last")
_AVERAGED = re.compile(
    r"(?<![a-z])(ema|averaged?|avg|swa|polyak|shadow|teacher|target|encoder_k|momentum)(?![a-z])"
)
_MAX_DEPTH = 4  # of parts in parts of a checkpoint; VISSL's trunk lies so deep
_KEY_ENCODER = "moco_encoder."  # of VISSL, in the state of its loss
_COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel


class Found(NamedTuple):
    """A state dict.

    Attributes:
        tensors: by name.
        place: where it lies in the file, parts joined with '.'; '' if it is the whole.
        averaged: whether it is an average of weights over training.
        others: further state dicts of the file, and whether they are averages.
        outside: names of everything beside it.
        arguments: what the file holds besides state dicts.
    """

    tensors: dict[str, Tensor]
    place: str
    averaged: bool
    others: dict[str, bool]
    outside: list[str]
    arguments: Any


def find(tree: Any, key: str | None = None, weights: Weights | None = None) -> Found:
    """Find the state dict in what a checkpoint holds.

    Args:
        tree: nested dictionaries.
        key: where it lies, parts joined with '.'; None finds it.
        weights: of several, take the 'raw' ones or their running average, 'ema'; None takes the raw
            ones where there are both.

    Raises:
        InputError: if there is none, or it is not clear which of several is meant.
    """
    if isinstance(tree, InertType):
        raise InputError(
            f"holds a whole pickled object, {tree.path}, whose code would have to run; save "
            "model.state_dict() instead"
        )
    if not isinstance(tree, Mapping) or not tree:
        empty = "an empty" if isinstance(tree, Mapping) else "a"
        raise InputError(f"holds {empty} {type(tree).__name__}, expected a state dict")
    found = dict(_state_dicts(tree))
    if not found and _is_state_dict(tree):
        found = {"": tree}
    if key is None:  # few tensors are no network, but pixel statistics and the like
        largest = max(map(len, found.values()), default=0)
        found = {place: state for place, state in found.items() if 4 * len(state) >= largest}
    kinds = {place: _averaged(place, state, found) for place, state in found.items()}
    place = _choose(tree, kinds, key, weights)
    tensors, outside = _tensors(found[place])
    top = place.partition(".")[0]
    beside = [str(name) for name in tree if name != top] if place else []
    others = {name: kind for name, kind in kinds.items() if name != place}
    return Found(tensors, place, kinds[place], others, [*beside, *outside], tree)


def _choose(
    tree: Mapping[Any, Any], kinds: Mapping[str, bool], key: str | None, weights: Weights | None
) -> str:
    if key is not None:
        if key not in kinds:
            names = ", ".join(kinds) or _names(tree)
            raise InputError(f"--key={key}: no state dict of that name; there is {names}")
        return key
    # What lies in one state dict is told apart by its names.
    if weights is None or "" in kinds or len(kinds) == 1:
        wanted = [name for name, averaged in kinds.items() if not averaged] or list(kinds)
    else:
        wanted = [name for name, averaged in kinds.items() if averaged == (weights == "ema")]
        if kinds and not wanted:
            raise InputError(f"--weights={weights}: there is only {', '.join(kinds)}; choose --key")
    usual = [name for name in _USUAL_KEYS if name in wanted]
    if usual or len(wanted) == 1:
        return usual[0] if usual else wanted[0]
    names = ", ".join(sorted(wanted)) or _names(tree)
    raise InputError(f"it is not clear where the state dict is; choose --key of {names}")


def is_averaged(name: str) -> bool:
    """Return whether a name is that of a running average of weights."""
    return _AVERAGED.search(name.lower()) is not None


def counter_of(tensors: Mapping[str, Any]) -> str | None:
    """Return the name of the counter that `AveragedModel` keeps beside its average, or None."""
    found = [name for name in tensors if name.rpartition(".")[2] == _COUNTER]
    return found[0] if len(found) == 1 else None


def _averaged(place: str, state: Mapping[str, Any], all_of: Mapping[str, Any]) -> bool:
    """Return whether a state dict is an average, by its name, its counter or its neighbours."""
    raw = f"unaveraged_{place}"
    key = any(name.startswith(_KEY_ENCODER) for name in state)
    return is_averaged(place) or key or counter_of(state) is not None or raw in all_of


def _state_dicts(tree: Mapping[Any, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the state dicts in nested dictionaries, whose parts may be shared at will."""
    known: dict[int, bool] = {}
    parts: deque[tuple[str, Mapping[Any, Any], int]] = deque([("", tree, 1)])
    while parts:
        prefix, part, depth = parts.popleft()
        for name, value in part.items():
            # An optimiser's moments look like weights.
            if not isinstance(name, str) or not isinstance(value, Mapping) or "optim" in name:
                continue
            is_new = id(value) not in known
            if known.setdefault(id(value), is_new and _is_state_dict(value)):
                yield prefix + name, value
            elif is_new and depth < _MAX_DEPTH:
                parts.append((f"{prefix}{name}.", value, depth + 1))


def _names(tree: Mapping[Any, Any]) -> str:
    return ", ".join(str(name) for name in list(tree)[:8])


def _is_state_dict(value: Any) -> bool:
    """Return whether most of a value are tensors by name."""
    if not isinstance(value, Mapping):
        return False
    tensors = sum(isinstance(part, StoredTensor) for part in value.values())
    return 2 * tensors > len(value) and all(isinstance(name, str) for name in value)


def _tensors(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[str]]:
    tensors = {name: value for name, value in state.items() if isinstance(value, StoredTensor)}
    return dict(tensors), [name for name in state if name not in tensors]
