"""The network of a ticket as a function in float32, and examples to call it with."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import models
from rtickets.models.calling import STATE
from rtickets.models.inputs import Inputs, placeholders
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


def variables_of(params: Any, batch_stats: Any) -> dict[str, Any]:
    """Return parameters and statistics, if there are some, under their names."""
    return {"params": params, **({STATE: batch_stats} if batch_stats else {})}


def examples_of(inputs: Inputs, count: int) -> Any:
    """Return noise in [0, 1] as inputs, the same always; zeros where they are no numbers of it."""
    generator = np.random.default_rng(0)

    def made(shape: tuple[int, ...], dtype: str) -> Any:
        if np.issubdtype(np.dtype(dtype), np.floating):
            return jnp.asarray(generator.random(shape), dtype)
        return jnp.zeros(shape, dtype)

    return placeholders(inputs, count, made)


def first(examples: Any) -> Any:
    """Return the first example alone."""
    return jax.tree.map(lambda leaf: leaf[:1], examples)
