"""The network of a ticket as a function in float32, and examples to call it with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks, models
from rtickets.errors import InputError
from rtickets.models.calling import STATE
from rtickets.models.inputs import Input, Inputs, placeholders
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.tickets import provenance

HEAD = "head"  # among parameters


def network_of(meta: Any, has_head: bool) -> tuple[models.Model, Any, Inputs]:
    """Return the network of a ticket, what it answers, and what it takes.

    Returns:
        (model, (model, variables, inputs) -> outputs, inputs); of a backbone without a head the
        outputs are its pooled features.
    """
    if has_head:
        return _exact(provenance.build_model(meta)), _outputs, provenance.inputs_of(meta)
    provenance.check(meta)
    config = config_files.parse(ModelConfig, meta["model"])
    model = models.from_config(config, 1, mean=tuple(meta["mean"]), std=tuple(meta["std"]))
    return _exact(model), _pooled, provenance.inputs_of(meta)


def _exact(model: models.Model) -> models.Model:
    """Return a network that computes in float32, whatever it was trained in."""
    return model.clone(dtype=jnp.float32) if hasattr(model, "dtype") else model


def _outputs(model: models.Model, variables: Any, inputs: Any) -> Any:
    return models.apply(model, variables["params"], variables.get(STATE, {}), inputs)[0]


def _pooled(model: models.Model, variables: Any, inputs: Any) -> Any:
    return models.features(model, variables["params"], variables.get(STATE, {}), inputs)[0].pooled


def check_weights(model: models.Model, inputs: Inputs, params: Any, batch_stats: Any) -> None:
    """Raise InputError unless the weights of a ticket are finite and those of its network."""
    made = jax.eval_shape(model.init, jax.random.key(0), placeholders(inputs, 1))
    for name, own in (("params", params), (STATE, batch_stats)):
        leaves = masks.leaf_paths(own)
        shapes = {path: np.shape(leaf) for path, leaf in leaves.items()}
        for path, leaf in masks.leaf_paths(made.get(name, {})).items():
            if path.startswith(f"{HEAD}/") and HEAD not in params:
                continue
            if shapes.get(path) != leaf.shape:
                raise InputError(
                    f"{path} has the shape {shapes.get(path, 'none')} in the ticket, {leaf.shape} "
                    "in the network that its provenance describes; take the ticket from a copy, or "
                    "make it again"
                )
        broken = [path for path, leaf in leaves.items() if not np.isfinite(np.asarray(leaf)).all()]
        if broken:
            raise InputError(
                f"{broken[0]} has values that are not finite; take a ticket of a training that "
                "did not fail"
            )


def variables_of(params: Any, batch_stats: Any) -> dict[str, Any]:
    """Return parameters and statistics, if there are some, under their names."""
    return {"params": params, **({STATE: batch_stats} if batch_stats else {})}


def examples_of(inputs: Inputs, count: int) -> Any:
    """Return noise as inputs, the same always: in [0, 1], or things such as tokens; else zeros."""
    generator = np.random.default_rng(0)

    def made(each: Input) -> Any:
        shape = (count, *each.shape)
        if np.issubdtype(np.dtype(each.dtype), np.floating):
            return jnp.asarray(generator.random(shape), each.dtype)
        return jnp.asarray(generator.integers(max(each.values, 1), size=shape), each.dtype)

    found = {each.name: made(each) for each in inputs}
    return found if len(found) > 1 else found[inputs[0].name]


def first(examples: Any) -> Any:
    """Return the first example alone."""
    return jax.tree.map(lambda leaf: leaf[:1], examples)
