"""How a network is called, whatever its architecture.

A network is a linen module that maps `(inputs, train)` to outputs. Its variables are `params` and,
where it normalises by batch statistics, `batch_stats`: the state, which is empty for a network
without. One that draws something in training (dropout, stochastic depth) has a true attribute
`draws` and takes a third argument then, one PRNG key per example, or None: nothing is drawn, also
in training. Keys belong to examples, so that neither the number of devices nor that of
micro-batches changes what is drawn; `rtickets.models.drop` draws by them.
"""

from typing import Any

from flax.traverse_util import flatten_dict
from jax import Array

from rtickets.masks import leaf_paths
from rtickets.models.network import Features

STATE = "batch_stats"


def draws(model: Any) -> bool:
    """Return whether a network draws something in training."""
    return bool(getattr(model, "draws", False))


def apply(
    model: Any, params: Any, state: Any, inputs: Any, train: bool = False, rngs: Array | None = None
) -> tuple[Any, Any]:
    """Return what a network answers, and its state afterwards.

    Args:
        state: its normalisation statistics; {} where it has none.
        inputs: as it takes them, examples first.
        train: normalise by the statistics of the inputs, and fold these into the running ones; draw
            what it draws by `rngs`.
        rngs: PRNG keys (B,), for a network that draws; None draws nothing.

    Returns:
        (outputs, state); without `train` no output depends on another example, and the state is the
        given one.
    """
    return _called(model, params, state, inputs, train, rngs)


def features(
    model: Any, params: Any, state: Any, inputs: Any, train: bool = False, rngs: Array | None = None
) -> tuple[Features, Any]:
    """Return what the backbone of a network finds, and its state; arguments as of `apply`."""
    return _called(model, params, state, inputs, train, rngs, method="features")


def layers(model: Any, params: Any, state: Any, inputs: Any) -> dict[str, tuple[Array, ...]]:
    """Return what every layer with weights of its own answers, without training.

    Args:
        inputs: as the network takes them, examples first.

    Returns:
        By path, 'stage1_block1/conv1': the outputs (B, ..., channels) of every call of the layer.
        Layers inside a scan, or that answer no single array, are not there.
    """
    own = {tuple(path.split("/")[:-1]) for path in leaf_paths(params)}
    variables = {"params": params, **({STATE: state} if state else {})}
    arguments = (inputs, False, None) if draws(model) else (inputs, False)
    _, found = model.apply(
        variables, *arguments, mutable=["intermediates"],
        capture_intermediates=lambda layer, method: method == "__call__" and layer.path in own,
    )  # fmt: skip
    calls = flatten_dict(found.get("intermediates", {}))
    return {
        "/".join(path[:-1]): each
        for path, each in calls.items()
        if path[:-1] in own and all(hasattr(one, "ndim") and one.ndim > 1 for one in each)
    }


def _called(
    model: Any, params: Any, state: Any, inputs: Any, train: bool, rngs: Array | None, **how: Any
) -> tuple[Any, Any]:
    variables = {"params": params, **({STATE: state} if state else {})}
    arguments = (inputs, train, rngs) if draws(model) else (inputs, train)
    if not train:
        return model.apply(variables, *arguments, **how), state
    found, updated = model.apply(variables, *arguments, mutable=[STATE], **how)
    return found, updated.get(STATE, state)


def head(model: Any, params: Any, found: Features, state: Any = None) -> Any:
    """Return what the head of a network makes of features; `apply` is this after `features`.

    Args:
        state: the network's, for a head with normalisation statistics.
    """
    variables = {"params": params, **({STATE: state} if state else {})}
    return model.apply(variables, found, method="answer")
