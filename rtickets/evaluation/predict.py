"""Answers of a network to a whole split, clean or under attack."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array

from rtickets.attacks.settings import AttackConfig
from rtickets.evaluation.batches import over_batches
from rtickets.evaluation.examples import Examples as Examples
from rtickets.evaluation.examples import Network as Network
from rtickets.evaluation.examples import on_devices as on_devices
from rtickets.platform import parallel
from rtickets.tasks import Task


def predict(
    network: Network,
    examples: Examples,
    *,
    attack: AttackConfig | None = None,
    batch_size: int = 256,
    seed: int = 0,
) -> Any:
    """Return what the network answers: float32 outputs (N, ...), logits of a classifier.

    With an attack, one of the pgd family, the images are attacked first. For the batch size and the
    seed see `over_batches`.

    Raises:
        Preempted: if the process was asked to stop.
    """
    pgd = attack.as_pgd() if attack else None
    return answers(network, examples, pgd=pgd, batch_size=batch_size, seed=seed)[0]


def answers(
    network: Network,
    examples: Examples,
    *,
    pgd: Mapping[str, Any] | None = None,
    chosen: np.ndarray | None = None,
    keep_inputs: bool = False,
    batch_size: int = 256,
    seed: int = 0,
) -> tuple[Any, dict[str, np.ndarray]]:
    """Return what the network answers to examples, and what they are, all of it on the host.

    Where sums do, `rtickets.evaluation.counting` keeps no outputs.

    Args:
        network: the network.
        examples: the split.
        pgd: see `over_batches`, as `chosen`, `batch_size` and `seed`.
        keep_inputs: return what the network saw, too, attacked where it was.

    Returns:
        (outputs, float32 with a leading axis of the N chosen; the arrays of these examples as the
        task prepares them, without the inputs unless they are kept), all on the host.

    Raises:
        Preempted: if the process was asked to stop.
    """
    count = len(examples.split) if chosen is None else len(chosen)
    parts = over_batches(
        network, examples, Gathered(keep_inputs), pgd=pgd, chosen=chosen, batch_size=batch_size,
        seed=seed,
    )  # fmt: skip
    return joined(parts, count)


def joined(parts: Iterable[Any], count: int) -> Any:
    """Return what was gathered of all batches, of `count` examples, on the host."""
    return jax.tree.map(
        lambda *each: np.concatenate([np.concatenate(np.asarray(part)) for part in each])[:count],
        *parts,
    )


@dataclass(frozen=True)
class Gathered:
    """Everything that the network answers, and what it was asked.

    Attributes:
        inputs: what it saw, too.
        outputs: what it answers; without, there are only the arrays of the batch.
    """

    inputs: bool
    outputs: bool = True

    def __call__(self, task: Task, outputs: Any, batch: dict[str, Array], valid: Array) -> Any:
        """Return the outputs, and the arrays of the batch."""
        del valid  # what fills the last batch up is cut off on the host
        kept = {name: each for name, each in batch.items() if self.inputs or name != task.input}
        return parallel.gather((outputs, kept) if self.outputs else kept)
