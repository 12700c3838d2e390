"""The parts of iterative pruning that are rewound, kept or reset, each by a setting of its own.

`Imp.head`, `Imp.statistics`, `Imp.optimizer` and `Imp.carry` say of every state whether a part goes
back to that of the rewind point, keeps what the state before ended with, or begins anew. What goes
on beside weights and statistics lies in folders beside the ticket.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets import models, training
from rtickets.errors import InputError
from rtickets.runs.folders import StartingTicket
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.train import Ready, write_ticket
from rtickets.storage.files import read_json
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from rtickets.training import HEAD, optimizer_arrays, tree_arrays
from rtickets.training.selection import Outcome
from rtickets.training.settings import TrainConfig

_OPTIMIZER, _CARRY = "momentum", "carry"  # folders beside a ticket


class GoesWith(NamedTuple):
    """What training goes on with beside weights and statistics; None is a fresh one.

    Attributes:
        opt_state: of the optimiser.
        carry: what the objective takes along.
    """

    opt_state: Any
    carry: tree_arrays.Stored | None


def train_config(config: DrawConfig) -> TrainConfig:
    """Return how every state is trained."""
    assert config.train is not None  # the configuration is checked for it
    return config.train


def policy(config: DrawConfig) -> Any:
    """Return the settings of iterative pruning, an `Imp`."""
    return config.method


def begun(config: DrawConfig, ready: Ready) -> Ready:
    """Return what a state begins with: the parts that are reset as a new network has them."""
    own = policy(config)
    if "reset" not in (own.head, own.statistics):
        return ready
    params, stats = new_weights(ready, train_config(config).seed)
    head = params[HEAD] if own.head == "reset" else ready.params[HEAD]
    of_head = stats if own.head == "reset" else ready.batch_stats
    stats = stats if own.statistics == "reset" else ready.batch_stats
    return ready._replace(
        params={**ready.params, HEAD: head}, batch_stats=_with_head(stats, of_head)
    )


def ended(config: DrawConfig, ready: Ready, trained: Any) -> tuple[Any, Any]:
    """Return the (parameters, statistics) of the ticket that a state leaves.

    Args:
        config: of the draw.
        ready: what the state began with.
        trained: what training made of it, (parameters, statistics).
    """
    own, before = policy(config), (ready.params, ready.batch_stats)
    params = trained[0] if own.rewind == "none" else before[0]
    stats = trained[1] if own.statistics == "keep" else before[1]
    head, of_head = trained if own.head == "keep" else before
    return {**params, HEAD: head[HEAD]}, _with_head(stats, of_head)


def _with_head(stats: Any, of_head: Any) -> Any:
    """Return normalisation statistics with those of the head, which go with the head."""
    return {**stats, HEAD: of_head[HEAD]} if HEAD in stats else stats


def new_weights(ready: Ready, seed: int) -> tuple[Any, Any]:
    """Return (parameters, statistics) as pretraining with a seed begins with them."""
    return models.initialise(ready.model, jax.random.key(seed), provenance.inputs_of(ready.meta))


def remember(config: DrawConfig, folder: Path, mask: Any, opt_state: Any, carry: Any) -> None:
    """Keep beside a ticket what training goes on with, None where that is nothing."""
    about = {"of": folder.name}
    if opt_state is not None:
        optimizer = training.make_optimizer(train_config(config).optimizer)
        arrays, alive = optimizer_arrays.to_arrays(optimizer, opt_state, mask)
        write_ticket(folder / _OPTIMIZER, Ticket(alive, arrays, {}, about))
    if carry is not None:
        arrays = tree_arrays.nested({_CARRY: carry})
        alive = jax.tree.map(lambda _: np.ones((), bool), arrays)
        write_ticket(folder / _CARRY, Ticket(alive, arrays, {}, about))


def pass_on(
    config: DrawConfig, folder: Path, mask: Any, goes_with: GoesWith, outcome: Outcome | None
) -> None:
    """Keep beside a state's ticket what the next state is to go on with.

    Args:
        config: of the draw.
        folder: of the state.
        mask: of its ticket.
        goes_with: what it began with itself.
        outcome: of its training, None where it was not trained.
    """
    own, kept = policy(config), {}
    for field, name in (("opt_state", "optimizer"), ("carry", "carry")):
        after = {"keep": outcome, "rewind": goes_with}.get(getattr(own, name))
        kept[field] = getattr(after, field, None)
    if isinstance(kept["carry"], tree_arrays.Stored):  # as it was read
        kept["carry"] = kept["carry"].arrays
    remember(config, folder, mask, **kept)


def remembered(
    config: DrawConfig, source: StartingTicket, ready: Ready, going_on: bool
) -> GoesWith:
    """Return what lies beside the ticket that a state starts from, as far as the policy asks it.

    Args:
        config: of the draw.
        source: the ticket.
        ready: the same, ready.
        going_on: whether it is a state of the same chain.

    Raises:
        InputError: if it should be there and is not.
    """
    own, opt_state, carry = policy(config), None, None
    if _is_kept(own.optimizer, source, going_on):
        folder = _beside(source, _OPTIMIZER, f"method.optimizer={own.optimizer!r}")
        optimizer = training.make_optimizer(train_config(config).optimizer)
        arrays = Ticket.load(folder).params
        opt_state = optimizer_arrays.from_arrays(optimizer, ready.params, arrays, folder)
    if own.carry != "reset":
        _check_carries(config, ready, own.carry)
    if _is_kept(own.carry, source, going_on):
        folder = _beside(source, _CARRY, f"method.carry={own.carry!r}")
        arrays = Ticket.load(folder).params[_CARRY]
        set_back = own.carry == "keep" and own.rewind != "none"
        carry = tree_arrays.Stored(arrays, folder, "what another objective carries", set_back)
    return GoesWith(opt_state, carry)


def _check_carries(config: DrawConfig, ready: Ready, asked: str) -> None:
    """Refuse to keep what is not there."""
    objective = train_config(config).objective
    if training.make_objective(objective, ready.task).carry is None:
        raise InputError(
            f"method.carry={asked!r}: neither the objective {objective.name!r} nor the task "
            f"{ready.task.name!r} takes anything along from step to step; set 'reset'"
        )


def _is_kept(asked: str, source: StartingTicket, going_on: bool) -> bool:
    """Whether something of a training must lie beside the ticket that a state starts from."""
    if asked != "keep":
        return asked == "rewind"
    return going_on and not _untrained(source)


def _untrained(source: StartingTicket) -> bool:
    """Whether a state was pruned before anything was trained, so that there is nothing to keep."""
    result = source.ticket.parent / "result.json"
    return result.is_file() and "training" not in read_json(result)


def _beside(source: StartingTicket, name: str, asked: str) -> Path:
    folder = source.ticket.parent / name
    if not folder.is_dir():
        raise InputError(
            f"{asked} needs {folder}, which is not there; start from the run folder of the state, "
            "not from a copy of its ticket alone, or set 'reset'"
        )
    return folder
