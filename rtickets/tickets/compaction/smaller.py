"""A ticket as a physically smaller network that answers the same."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np

from rtickets import masks, models
from rtickets.errors import InputError
from rtickets.models.calling import STATE
from rtickets.models.inputs import Inputs, placeholders
from rtickets.models.settings import ModelConfig
from rtickets.models.widths import as_texts
from rtickets.platform.short_repr import with_short_repr
from rtickets.settings import config_files
from rtickets.tickets.compaction.compared import compare_larger, difference
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
        **difference(answers, (model, variables), (smaller, small), examples),
    }
    if plan.moves:  # constants, which are others where images end
        compare_larger(answers, (model, variables), (smaller, small), inputs)
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
        widths, wrong = _widths(traced, model, variables["params"], small["params"], inputs)
        if not wrong:
            return plan, small, widths
        for path in wrong:
            keep_axes(traced.units, traced.axes[f"params/{path}"])


def _widths(
    traced: Traced, model: models.Model, before: Any, after: Any, inputs: Inputs
) -> tuple[dict[str, int], set[str]]:
    """Return the numbers of features, by layer, that make the network what is left of it.

    And the parameters that have another shape all the same, or without whose shape there is no such
    network.
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
        made = _shapes(model, found, inputs)
        if made is None:
            refused = _refused(traced, model, found, inputs)
            return found, {path for path in wanted if path.rpartition("/")[0] in refused}
        shapes = made


def _refused(
    traced: Traced, model: models.Model, widths: Mapping[str, int], inputs: Inputs
) -> set[str]:
    """Return the layers that a network cannot have with other numbers of features.

    Layers whose channels go together are tried together. Where each of these sets works alone, it
    is all of them.
    """
    sets: list[tuple[set[int], dict[str, int]]] = []
    for layer, count in dict(widths).items() - dict(model.widths).items():
        prefix = f"params/{layer}/"
        own: list[Any] = [
            axes[-1] for path, axes in traced.axes.items() if path.startswith(prefix) and axes
        ]
        units, layers = set(traced.units.roots(np.concatenate(own)).tolist()), {layer: count}
        for each in [each for each in sets if each[0] & units]:
            sets.remove(each)
            units, layers = units | each[0], layers | each[1]
        sets.append((units, layers))
    alone = [
        layers for _, layers in sets if not _shapes(model, dict(model.widths) | layers, inputs)
    ]
    return {layer for layers in alone or [each for _, each in sets] for layer in layers}


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
) -> dict[str, tuple[int, ...]] | None:
    """Return the shapes of parameters of such a network; None if it is none."""
    narrowed = model.clone(widths=tuple(sorted(widths.items())))
    args = jax.random.key(0), placeholders(inputs, 1)
    try:
        made = jax.eval_shape(narrowed.init, *args)["params"]
    except Exception:  # whatever a network says that reshapes, or groups, by numbers of its own
        return None
    return {path: tuple(leaf.shape) for path, leaf in masks.leaf_paths(made).items()}


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
