"""Drawing tickets, in all ways."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rtickets import masks, models
from rtickets.costs import Estimate, Setting
from rtickets.draw.controls import control_mask
from rtickets.draw.noise import noisy_weights
from rtickets.draw.omp import check_pattern
from rtickets.draw.permuted import layers_in, permuted_layers
from rtickets.masks import Params
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder, StartingTicket, folder_of, run_once
from rtickets.settings import config_files
from rtickets.stages.draw_costs import estimate_draw
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.soundness import check_of
from rtickets.stages.stage import Stage
from rtickets.stages.train import save_ticket
from rtickets.stages.upstream import check_dense, removed
from rtickets.stages.ways.omp import with_statistics
from rtickets.stages.ways.registry import WAYS as WAYS
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket, read_description


def draw(
    config: DrawConfig,
    source: StartingTicket,
    workdir: Path,
    name: str,
    devices: parallel.Devices,
) -> RunFolder:
    """Draw a ticket from a network; see `Stage.run`.

    A control leaves the folder of the mask that it is the control of as well, and iterative pruning
    one for every state.
    """
    if config.control is not None:
        return _control(config, source, workdir, name, devices)
    return config.method.run(config, source, workdir, name, devices)


def _control(
    config: DrawConfig, source: StartingTicket, workdir: Path, name: str, devices: parallel.Devices
) -> RunFolder:
    """Draw the mask, and from it its control at the same sparsity."""
    assert config.control is not None
    control = config.control
    check_pattern(config.pattern, config.drawn_sparsity)
    if control not in ("reinitialised", "weight_noise"):
        check_dense(source, f"control={control!r} gives weights back that it lacks")
    _check_layers(config, source)  # before anything is trained for its mask
    drawn = config_files.replace(
        config,
        control=None,
        check=None,
        flip_fraction=DrawConfig.flip_fraction,
        noise_std=DrawConfig.noise_std,
        sparsity=config.drawn_sparsity,
        seed=config.seed if config.seeded else DrawConfig.seed,  # the run that a plain draw leaves
    )
    check = check_of(config.check, devices)
    base = draw(drawn, source, workdir, _name_of_base(name, control), devices)

    def body(folder: Path) -> dict[str, Any]:
        def dense() -> Ticket:
            return Ticket.load(drawn.method.dense(drawn, source, workdir, name, devices).ticket)

        made = _controlled(config, Ticket.load(base.source.ticket), dense)
        return save_ticket(folder, with_statistics(config, made), check=check)

    return run_once(folder_of(workdir, "draw", name, config, base.source), body)


def _controlled(config: DrawConfig, ticket: Ticket, dense: Callable[[], Ticket]) -> Ticket:
    """Return the control of a ticket.

    Args:
        dense: returns the network that it was drawn from, whose weights come back.
    """
    assert config.control is not None
    meta = provenance.name_layouts(
        ticket.meta, ticket.params, config.prunable, config.exclude, config.layouts
    )
    settings = (config.control, config.seed, config.flip_fraction, config.pattern)
    known = {"params": ticket.params, "layouts": meta.get("layouts")}
    mask = control_mask(ticket.mask, *settings, **known)
    meta = provenance.extend(meta, "draw", config)
    stats = ticket.batch_stats
    if config.control == "reinitialised":
        params, stats = _new_weights(config, meta)
    elif config.control == "weight_noise":
        params = noisy_weights(ticket.params, mask, config.noise_std, config.seed)
    else:
        params = _revived(ticket, dense())
    if config.control == "permuted_layers":
        params = permuted_layers(params, config.seed)
    return Ticket(mask, params, stats, meta)


def _check_layers(config: DrawConfig, source: StartingTicket) -> None:
    """Refuse to permute the layers of a network that has none."""
    if config.control == "permuted_layers":
        layers_in(read_description(source.ticket)["shapes"])


def _new_weights(config: DrawConfig, meta: Mapping[str, Any]) -> tuple[Params, Any]:
    """Return (parameters, statistics) of a new network, other ones than pretraining began with."""
    key = jax.random.fold_in(jax.random.key(config.seed), 2)
    return models.initialise(provenance.build_model(meta), key, provenance.inputs_of(meta))


def _name_of_base(name: str, control: str) -> str:
    """Return a name that tells the mask that a control is made from, from the control."""
    return name.replace(control, "base") if control in name else f"base-{name}"


def _revived(ticket: Ticket, dense: Ticket) -> Params:
    """Return a ticket's parameters with all the prunable weights of the network it came from."""
    weights, kept = masks.leaf_paths(dense.params), masks.leaf_paths(ticket.mask)
    paths = masks.leaf_paths(ticket.params)
    leaves = [weights[path] if np.ndim(kept[path]) else leaf for path, leaf in paths.items()]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(ticket.params), leaves)


def _estimate(config: DrawConfig, setting: Setting) -> list[Estimate]:
    check_pattern(config.pattern, config.drawn_sparsity)
    if config.control == "reinitialised" or config.scores_network or config.check is not None:
        setting.check_head()
    task = setting.task_of(config.data) if config.reads_task else None
    lost = 0.0
    if setting.source is not None:
        _check_layers(config, setting.source)
        lost = removed(setting.source, config)
    model = setting.model_for(task)
    return [setting.noted(estimate_draw(config, task, model, setting.devices, removed=lost), task)]


STAGE = Stage(
    DrawConfig,
    run=draw,
    name=lambda config: f"{config.control or config.method.name}{config.sparsity:.4g}",
    estimate=_estimate,
)
