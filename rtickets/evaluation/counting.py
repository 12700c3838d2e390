"""What adds up over the examples of a split: counted on the devices, whatever outputs are.

The outputs of a batch never leave the devices, so that their size does not matter: a class for
every pixel of a split would fill the memory of any host.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.evaluation.batches import Read, over_batches
from rtickets.evaluation.examples import Examples, Network
from rtickets.evaluation.predict import joined
from rtickets.platform import parallel
from rtickets.tasks import Sums, Task
from rtickets.tasks.base import LISTED, Batch

_AT_ONCE = 16  # examples that `counted` takes at once


class Counter(Protocol):
    """What counts answers, such as a task: hashable, and traced."""

    def sums(self, outputs: Any, batch: Batch) -> Sums:
        """Return what adds up over examples, arrays by name."""
        ...

    def listed(self, outputs: Any, batch: Batch) -> dict[str, Array]:
        """Return what else is needed of every example, see `Task.listed`."""
        ...


class Part(NamedTuple):
    """What is counted of a batch.

    Attributes:
        sums: of each counter, over all devices.
        lists: what each lists of every example, gathered from all devices.
    """

    sums: tuple[Sums, ...]
    lists: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Summed:
    """The sums of counters over a batch, and what they list.

    Sums are of every example by itself, so that those that fill a batch up leave no trace; what
    these list is cut off on the host.
    """

    counters: tuple[Counter, ...]

    def __call__(self, task: Task, outputs: Any, batch: Mapping[str, Array], valid: Array) -> Part:
        """Return both."""
        del task

        def of_one(one: Any) -> tuple[Sums, ...]:
            alone = jax.tree.map(lambda leaf: leaf[None], one)
            return tuple(counter.sums(*alone) for counter in self.counters)

        def over_examples(each: Array) -> Array:
            kept = valid.reshape(-1, *[1] * (each.ndim - 1))
            return jnp.where(kept, each, 0).sum(0)

        each = jax.vmap(of_one)((outputs, dict(batch)))
        lists = tuple(counter.listed(outputs, batch) for counter in self.counters)
        return Part(parallel.total(jax.tree.map(over_examples, each)), parallel.gather(lists))


def count(
    network: Network, examples: Examples, *counters: Counter, **options: Any
) -> tuple[Sums, ...]:
    """Return what counters add up over examples, on the host, in 64 bits, and what they list.

    Args:
        network: the network.
        examples: the split; its task prepares the examples, and need not be what counts.
        *counters: what is counted.
        **options: those of `over_batches`.

    Raises:
        Preempted: if the process was asked to stop.
    """
    parts = over_batches(network, examples, Summed(counters), **options)
    return _add_up(parts, _number(examples, options))


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
    ) -> tuple[Part, Any]:
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

    def parts() -> Iterator[Part]:
        for found, others in over_batches(
            network, examples, SummedAnd(counters, of_examples), **options
        ):
            kept.append(jax.device_get(others))
            yield found

    number = _number(examples, options)
    total = _add_up(parts(), number)
    return total, joined(kept, number)


def _number(examples: Examples, options: Mapping[str, Any]) -> int:
    chosen = options.get("chosen")
    return len(examples.split) if chosen is None else len(chosen)


def _add_up(parts: Iterable[Part], examples: int) -> tuple[Sums, ...]:
    """Return the sums of all batches, on the host, in 64 bits, with what they list."""
    total: Any = None
    lists: list[Any] = []
    for found in parts:
        wide = jax.tree.map(_wide, found.sums)
        total = wide if total is None else jax.tree.map(np.add, total, wide)
        lists.append(jax.device_get(found.lists))
    assert total is not None  # no split is empty
    listed = joined(lists, examples)
    pairs = zip(total, listed, strict=True)
    return tuple({**sums, LISTED: each} if each else sums for sums, each in pairs)


def together(one: Sums, other: Sums) -> Sums:
    """Return the sums over examples and further ones."""
    return {
        name: jax.tree.map(_after, each, other[name]) if name == LISTED else each + other[name]
        for name, each in one.items()
    }


def counted(counter: Counter, outputs: Any, batch: Batch) -> Sums:
    """Return the sums over all of a batch on one device, on the host, with what they list.

    It may be as large as the host's memory holds: a few examples are counted at once.
    """

    def of_some(start: int) -> Sums:
        some = slice(start, start + _AT_ONCE)
        few = jax.tree.map(lambda leaf: leaf[some], (outputs, dict(batch)))
        sums = jax.tree.map(_wide, counter.sums(*few))
        listed = jax.tree.map(np.asarray, counter.listed(*few))
        return {**sums, LISTED: listed} if listed else sums

    count = len(jax.tree.leaves(outputs)[0])
    return reduce(together, map(of_some, range(0, count, _AT_ONCE)))


def _after(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.concatenate([one, other])


def _wide(leaf: Array) -> np.ndarray:
    return np.asarray(leaf, np.float64 if jnp.issubdtype(leaf.dtype, jnp.floating) else np.int64)
