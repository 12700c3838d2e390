"""A ticket as a physically smaller network that answers the same."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks, models
from rtickets.errors import InputError
from rtickets.models.calling import STATE
from rtickets.models.inputs import Inputs, placeholders
from rtickets.models.settings import ModelConfig
from rtickets.models.widths import as_texts
from rtickets.platform.short_repr import with_short_repr
from rtickets.settings import config_files
from rtickets.tickets.compaction.counting import multiply_adds
from rtickets.tickets.compaction.known import keep_axes
from rtickets.tickets.compaction.network import (
    HEAD,
    check_weights,
    examples_of,
    first,
    network_of,
    variables_of,
)
from rtickets.tickets.compaction.plan import Plan, carry_out, make_plan
from rtickets.tickets.compaction.trace import Traced, plainly, trace
from rtickets.tickets.ticket import Ticket

_EXAMPLES = 4  # that the smaller network is compared with the larger one on
_ROUNDING = 1e-4  # of the largest output; sums of float32 in another order differ by less


@with_short_repr
class Compacted(NamedTuple):
    """What became of a ticket.

    Attributes:
        ticket: the smaller one.
        report: parameters and multiply-adds of an example before and after, widths of layers, and
            how far answers are apart; for JSON.
        plan: what was removed.
        opt_state: the optimiser's state, if one was given.
    """

    ticket: Ticket
    report: dict[str, Any]
    plan: Plan
    opt_state: Any = None


def compact(ticket: Ticket, *, opt_state: Any = None) -> Compacted:
    """Remove from a network what does not change its answers.

    Channels go whose filters are dead, or that nothing alive reads; what they still emit is added
    to the weights of a channel that stays. Nothing is approximated, and the answers are compared.

    Args:
        ticket: one whose provenance says what network it is of, as those of stages and of the
            importer.
        opt_state: state of an optax optimiser for its parameters, which is cut likewise: arrays
            whose path ends with that of a parameter of their shape.

    Raises:
        InputError: if the provenance tells of no network, of another one than that of the weights,
            or of one whose layers do not take numbers of features, see `rtickets.models.widths`.
    """
    model, answers, inputs = network_of(ticket.meta, HEAD in ticket.params)
    check_weights(model, inputs, ticket.params, ticket.batch_stats)
    params = jax.device_get(masks.apply(ticket.mask, ticket.params))
    variables = variables_of(params, ticket.batch_stats)
    examples = examples_of(inputs, _EXAMPLES)
    with nn.intercept_methods(plainly):
        traced = trace(partial(answers, model), variables, first(examples))
    plan, small, widths = _planned(traced, model, variables, inputs)
    smaller = model.clone(widths=tuple(sorted(widths.items())))
    report = {
        "parameters": [_count(variables["params"]), _count(small["params"])],
        "multiply_adds": [
            multiply_adds(partial(answers, *each), first(examples))
            for each in ((model, variables), (smaller, small))
        ],
        "widths": widths,
        **_difference(answers, (model, variables), (smaller, small), examples),
    }
    config = config_files.to_dict(config_files.parse(ModelConfig, ticket.meta["model"]))
    settings = {**config, "widths": list(as_texts(widths))}
    told = {"stage": "compact", **{key: report[key] for key in report if key != "widths"}}
    meta = {**ticket.meta, "model": settings, "history": [*ticket.meta.get("history", ()), told]}
    mask = carry_out(plan, ticket.mask, "params/", adding=True)
    made = Ticket(mask, small["params"], small.get(STATE, {}), meta)
    cut = None if opt_state is None else _cut_state(plan, opt_state, variables["params"])
    return Compacted(made, report, plan, cut)


def _count(tree: Any) -> int:
    return sum(int(np.size(leaf)) for leaf in jax.tree.leaves(tree))


def _planned(
    traced: Traced, model: models.Model, variables: Any, inputs: Inputs
) -> tuple[Plan, dict[str, Any], dict[str, int]]:
    """Return what stays, as variables, and the numbers of features that make the network so.

    Units of layers that no numbers make so are kept, as a layer that is always of one size.

    Raises:
        InputError: if the network takes no numbers.
    """
    if not hasattr(model, "widths"):
        raise InputError(
            f"{type(model).__name__} is no BackboneAndHead of rtickets.models, whose layers can "
            "have numbers of features of their own; make it one"
        )
    while True:
        plan = make_plan(traced)
        small = {
            name: carry_out(plan, tree, f"{name}/", adding=name == "params")
            for name, tree in variables.items()
        }
        widths, wrong = _widths(model, variables["params"], small["params"], inputs)
        if not wrong:
            return plan, small, widths
        for path in wrong:
            keep_axes(traced.units, traced.axes[f"params/{path}"])


def _widths(
    model: models.Model, before: Any, after: Any, inputs: Inputs
) -> tuple[dict[str, int], set[str]]:
    """Return the numbers of features, by layer, that make the network what is left of it.

    And the parameters that have another shape all the same.
    """
    found, resizable = dict(model.widths), _resizable(model, inputs)
    wanted = {path: np.shape(leaf) for path, leaf in masks.leaf_paths(after).items()}
    shapes = {path: np.shape(leaf) for path, leaf in masks.leaf_paths(before).items()}
    while True:  # a layer may have as many as the one before it, whose number changed
        wrong = {path for path, shape in wanted.items() if shapes[path] != shape}
        layers = {
            path.rpartition("/")[0]: wanted[path][-1]
            for path in wrong
            if path.rpartition("/")[0] in resizable and wanted[path][-1] != shapes[path][-1]
        }
        if layers.items() <= found.items():
            return found, wrong
        found |= layers
        shapes = _shapes(model, found, inputs)


def _resizable(model: models.Model, inputs: Inputs) -> set[str]:
    """Return the paths of the layers with a number of features; of others it follows from these."""
    found = set()

    def look(call: Any, args: Any, keywords: Any, context: Any) -> Any:
        if isinstance(getattr(context.module, "features", None), int):
            found.add("/".join(context.module.path))
        return call(*args, **keywords)

    with nn.intercept_methods(look):
        jax.eval_shape(model.init, jax.random.key(0), placeholders(inputs, 1))
    return found


def _shapes(
    model: models.Model, widths: Mapping[str, int], inputs: Inputs
) -> dict[str, tuple[int, ...]]:
    narrowed = model.clone(widths=tuple(sorted(widths.items())))
    args = jax.random.key(0), placeholders(inputs, 1)
    made = jax.eval_shape(narrowed.init, *args)["params"]
    return {path: tuple(leaf.shape) for path, leaf in masks.leaf_paths(made).items()}


def _difference(answers: Any, before: Any, after: Any, examples: Any) -> dict[str, float]:
    """Return how far answers are apart at most, and the largest of them.

    Raises:
        InputError: if it is more than rounding.
    """
    pairs = [
        jax.tree.leaves(jax.jit(partial(answers, model))(variables, examples))
        for model, variables in (before, after)
    ]
    apart = max(float(jnp.abs(a - b).max()) for a, b in zip(*pairs, strict=True))
    largest = max(float(jnp.abs(a).max()) for a in pairs[0])
    if not apart <= _ROUNDING * max(largest, 1e-30):
        raise InputError(
            f"the smaller network would answer differently, by {apart:.3g} where the largest "
            f"output is {largest:.3g}: it decides on its layers by their numbers of features; let "
            "it go by those of the published network, see rtickets.models.widths"
        )
    return {"max_difference": apart, "largest_output": largest}


def _cut_state(plan: Plan, opt_state: Any, params: Any) -> Any:
    """Return an optimiser's state for what stays of the parameters."""
    shapes = {path: np.shape(leaf) for path, leaf in masks.leaf_paths(params).items()}

    def cut(keys: Any, leaf: Any) -> Any:
        names = [str(getattr(key, "key", getattr(key, "name", None))) for key in keys]
        for start in range(len(names)):
            path = "/".join(names[start:])
            if shapes.get(path) == np.shape(leaf):
                for axis, kept in enumerate(plan.staying[f"params/{path}"]):
                    leaf = leaf if kept is None else np.take(np.asarray(leaf), kept, axis)
                return leaf
        return leaf

    return jax.tree_util.tree_map_with_path(cut, opt_state)
