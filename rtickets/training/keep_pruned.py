"""Pruned weights stay pruned under any optax optimiser, in anyone's own training loop."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.masks.paths import same_structure, without_variables


def keep_pruned(
    optimizer: optax.GradientTransformation, mask: Mask
) -> optax.GradientTransformationExtraArgs:
    """Wrap an optimiser so that pruned weights are exactly zero after every update.

    Gradients of pruned weights are set to zero before the optimiser sees them, so that norms and
    momentum do not count them; what weight decay and momentum do to them all the same is undone.
    The mask is data: under `vmap` every network may have its own. `update` needs the parameters.
    It may be given to `nnx.Optimizer`, with a mask of `nnx.state(model, nnx.Param)`.
    """
    # Not by its class: `optax.MultiSteps` is of none that others share.
    if isinstance(optimizer, type) or not all(
        callable(getattr(optimizer, name, None)) for name in ("init", "update")
    ):
        raise InputError(
            f"optimizer is a {type(optimizer).__name__}; give one of optax, such as "
            "keep_pruned(optax.adamw(1e-3), mask)"
        )
    masks.check(mask)
    inner = optax.with_extra_args_support(optimizer)

    def of(params: Params) -> Mask:
        """Return the mask in the containers of these: `nnx.Optimizer` unpacks its variables."""
        held = without_variables(mask)
        return held if same_structure(held, params) else mask

    def init(params: Params) -> Any:
        return inner.init(masks.apply(of(params), params))

    def update(
        updates: Params, state: Any, params: Params | None = None, **extra: Any
    ) -> tuple[Params, Any]:
        if params is None:
            raise InputError("keep_pruned needs update(gradients, state, params), with params")
        alive = masks.apply(of(params), params)
        updates, state = inner.update(masks.apply(of(updates), updates), state, alive, **extra)

        def to_zero(keep: Any, change: Any, weight: Any) -> Any:
            return jnp.where(keep, change, -weight.astype(change.dtype))

        return jax.tree.map(to_zero, of(params), updates, params), state

    return optax.GradientTransformationExtraArgs(init, update)
