"""What adds up over the examples of a split: counted on the devices, whatever outputs are.

The outputs of a batch never leave the devices, so that their size does not matter: a class for
every pixel of a split would fill the memory of any host.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.settings import AttackConfig
from rtickets.evaluation.batches import Read, over_batches
from rtickets.evaluation.examples import Examples, Network
from rtickets.evaluation.predict import joined
from rtickets.platform import parallel
from rtickets.tasks import Measured, Sums, Task
from rtickets.tasks.base import Batch


class Counter(Protocol):
    """What counts answers, such as a task: hashable, and traced."""

    def sums(self, outputs: Any, batch: Batch) -> Sums:
        """Return what adds up over examples, arrays by name."""
        ...


@dataclass(frozen=True)
class Summed:
    """The sums of counters over a batch.

    They are taken of every example by itself, so that those that fill a batch up leave no trace.
    """

    counters: tuple[Counter, ...]

    def __call__(
        self, task: Task, outputs: Any, batch: Mapping[str, Array], valid: Array
    ) -> tuple[Sums, ...]:
        """Return the sums of each, over all devices."""
        del task

        def of_one(one: Any) -> tuple[Sums, ...]:
            alone = jax.tree.map(lambda leaf: leaf[None], one)
            return tuple(counter.sums(*alone) for counter in self.counters)

        def over_examples(each: Array) -> Array:
            kept = valid.reshape(-1, *[1] * (each.ndim - 1))
            return jnp.where(kept, each, 0).sum(0)

        each = jax.vmap(of_one)((outputs, dict(batch)))
        return parallel.total(jax.tree.map(over_examples, each))


def count(
    network: Network, examples: Examples, *counters: Counter, **options: Any
) -> tuple[Sums, ...]:
    """Return what counters add up over examples, on the host, in 64 bits.

    Args:
        network: the network.
        examples: the split; its task prepares the examples, and need not be what counts.
        *counters: what is counted.
        **options: those of `over_batches`.

    Raises:
        Preempted: if the process was asked to stop.
    """
    return add_up(over_batches(network, examples, Summed(counters), **options))


@dataclass(frozen=True)
class SummedAnd:
    """Sums, and something of every example, gathered from all devices.

    Attributes:
        counters: what counts.
        of_examples: what else is read.
    """

    counters: tuple[Counter, ...]
    of_examples: Read

    def __call__(
        self, task: Task, outputs: Any, batch: dict[str, Array], valid: Array
    ) -> tuple[tuple[Sums, ...], Any]:
        """Return both."""
        asked = task, outputs, batch, valid
        return Summed(self.counters)(*asked), self.of_examples(*asked)


@dataclass(frozen=True)
class Judged:
    """Of every example whether the answer is right, and the arrays of the batch but the inputs."""

    def __call__(
        self, task: Task, outputs: Any, batch: dict[str, Array], valid: Array
    ) -> tuple[Array, dict[str, Array]]:
        """Return both, gathered."""
        del valid  # what fills the last batch up is cut off on the host
        rest = {name: each for name, each in batch.items() if name != task.input}
        found: tuple[Array, dict[str, Array]] = parallel.gather(
            (~task.fooled(outputs, batch), rest)
        )
        return found


def count_and_keep(
    network: Network,
    examples: Examples,
    counters: tuple[Counter, ...],
    of_examples: Read,
    **options: Any,
) -> tuple[tuple[Sums, ...], Any]:
    """Return what `count` does, and what is read of every example, on the host."""
    kept: list[Any] = []

    def sums() -> Iterator[tuple[Sums, ...]]:
        for found, others in over_batches(
            network, examples, SummedAnd(counters, of_examples), **options
        ):
            kept.append(jax.device_get(others))
            yield found

    total = add_up(sums())
    chosen = options.get("chosen")
    return total, joined(kept, len(examples.split) if chosen is None else len(chosen))


def add_up(parts: Iterable[tuple[Sums, ...]]) -> tuple[Sums, ...]:
    """Return the sums of all batches, on the host, in 64 bits."""
    total: Any = None
    for found in parts:
        wide = jax.tree.map(_wide, found)
        total = wide if total is None else jax.tree.map(np.add, total, wide)
    assert total is not None  # no split is empty
    return total


def _wide(leaf: Array) -> np.ndarray:
    return np.asarray(leaf, np.float64 if jnp.issubdtype(leaf.dtype, jnp.floating) else np.int64)


def judge(
    network: Network, examples: Examples, *, attack: AttackConfig | None = None, **options: Any
) -> dict[str, Measured]:
    """Return the measures of a network on a split, by the task's names.

    Args:
        attack: see `predict`.
        **options: see `count`.
    """
    pgd = attack.as_pgd() if attack else None
    (found,) = count(network, examples, examples.task, pgd=pgd, **options)
    return examples.task.measures(found)
