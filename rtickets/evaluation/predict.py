"""Answers of a network to a whole split, clean or under attack."""

from collections.abc import Generator, Mapping
from contextlib import closing
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import models
from rtickets.attacks.settings import AttackConfig
from rtickets.data.arrays import Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.stream import Batch, evaluation_batches
from rtickets.masks import Params
from rtickets.platform import parallel, preemption
from rtickets.platform.short_repr import with_short_repr
from rtickets.tasks import Classification, Measured, Task
from rtickets.tasks.search import attacked

_IN_FLIGHT = 2  # batches that may be under way before the host waits for one


@with_short_repr
class Network(NamedTuple):
    """A network ready to predict.

    Attributes:
        model: the linen module.
        params: its weights, masked already.
        batch_stats: its normalisation statistics.
    """

    model: models.Model
    params: Params
    batch_stats: Any


@with_short_repr
class Examples(NamedTuple):
    """A split on the devices, or streamed, with what is done to its images there.

    Attributes:
        split: the examples, on the host.
        transform: from stored pixels to the network's input.
        devices: where to compute.
        task: what the examples ask.
        data: their arrays on every device; None if the images stay on disk.
    """

    split: Split
    transform: Transform
    devices: parallel.Devices
    task: Task
    data: dict[str, Any] | None

    @property
    def streamed(self) -> bool:
        """Whether the images stay on disk."""
        return self.data is None


def on_devices(
    split: Split,
    transform: Transform,
    devices: parallel.Devices,
    task: Task | None = None,
) -> Examples:
    """Copy a split to the devices for any number of predictions, unless it is streamed.

    A task of None is to classify the examples.
    """
    data = None if split.streamed else parallel.replicate(split.arrays, devices)
    return Examples(split, transform, devices, task or Classification(), data)


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
    seed see `answers`.

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
    """Return what the network answers to examples, and what they are.

    The last batch is filled up, so that nothing is compiled twice. Random starts belong to the
    example's position in the split, so that results do not depend on the batch size.

    Args:
        network: the network.
        examples: the split.
        pgd: attack the inputs first, with these arguments of `rtickets.attacks.pgd`; its radius and
            step are data.
        chosen: places in the split of the examples to take; None is all of them.
        keep_inputs: return what the network saw, too, attacked where it was.
        batch_size: examples per call, over all devices; rounded up to a multiple of them.
        seed: of the attack's random starts.

    Returns:
        (outputs, float32 with a leading axis of the N chosen; the arrays of these examples as the
        task prepares them, without the inputs unless they are kept), all on the host.

    Raises:
        Preempted: if the process was asked to stop.
    """
    devices = examples.devices
    batch_size = -(-batch_size // len(devices)) * len(devices)
    taken = np.arange(len(examples.split)) if chosen is None else chosen
    count = len(taken)
    padded = -(-count // batch_size) * batch_size
    # The last example fills the last batch up; its copies are cut off at the end.
    order = taken[np.minimum(np.arange(padded), count - 1)].astype(np.int32)
    replicated = parallel.replicate((network.params, network.batch_stats), devices)
    key = jax.random.key(seed)
    settings = {"eps": 0.0, "step_size": 0.0} if pgd is None else dict(pgd)
    # Lengths are arguments of the program, which a curve over radii compiles once.
    size = jnp.float32(settings.pop("eps")), jnp.float32(settings.pop("step_size"))
    inner = None if pgd is None else tuple(settings.items())
    run = _compiled(
        network.model, examples.task, examples.transform, inner, devices, examples.streamed,
        keep_inputs,
    )  # fmt: skip
    parts: list[Any] = []
    check = preemption.late_check(devices)
    with closing(_batches(examples, order, batch_size)) as batches:
        for place, batch in zip(np.split(order, padded // batch_size), batches, strict=True):
            check()
            # The host runs ahead, but batches must not pile up on the devices.
            if len(parts) >= _IN_FLIGHT:
                jax.block_until_ready(parts[-_IN_FLIGHT])
            parts.append(run(*replicated, batch, parallel.shard(place, devices), key, *size))
    return jax.tree.map(
        lambda *each: np.concatenate([np.concatenate(np.asarray(part)) for part in each])[:count],
        *parts,
    )


def judge(network: Network, examples: Examples, **options: Any) -> dict[str, Measured]:
    """Return the measures of a network on a split, by the task's names; options are `predict`'s."""
    attack = options.pop("attack", None)
    pgd = attack.as_pgd() if attack else None
    return measures_of(examples.task, *answers(network, examples, pgd=pgd, **options))


def measures_of(task: Task, outputs: Any, batch: Mapping[str, Any]) -> dict[str, Measured]:
    """Return the measures of answers, on the host, to examples that the task prepared."""
    return task.measures(task.sums(outputs, batch))


def _batches(
    examples: Examples, order: np.ndarray, batch_size: int
) -> Generator[dict[str, Any], None, None]:
    """Yield the arrays of every call: always all of them, or those that it needs."""
    split, devices = examples.split, examples.devices
    if examples.data is not None:
        yield from [examples.data] * (len(order) // batch_size)
        return
    mine = parallel.own_part(order.reshape(-1, batch_size), devices, axis=1)

    def put(batch: Batch) -> dict[str, Any]:
        shape = (len(devices.local), -1)
        return {
            name: parallel.put(part.reshape(*shape, *part.shape[1:]), devices)
            for name, part in batch.items()
        }

    yield from evaluation_batches(split, mine.ravel(), mine.shape[1], put)


@lru_cache(maxsize=32)
def _compiled(
    model: models.Model,
    task: Task,
    transform: Transform,
    attack: tuple[tuple[str, Any], ...] | None,
    devices: parallel.Devices,
    streamed: bool,
    keep_inputs: bool,
) -> Any:
    def outputs(
        params: Params,
        batch_stats: Any,
        raw: dict[str, Array],
        chosen: Array,
        key: Array,
        eps: Array,
        step_size: Array,
    ) -> Any:
        def outputs_fn(x: Array) -> Any:
            return models.logits(model, params, batch_stats, x)

        if not streamed:
            raw = jax.tree.map(lambda leaf: leaf[chosen], raw)
        batch = task.prepare(transform, raw)
        x = batch[task.input]
        if attack is not None:
            # By the place in the split: batches and devices may change.
            keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(chosen)
            sizes = {"eps": eps, "step_size": step_size}
            x = attacked(task, outputs_fn, batch, keys, **sizes, **dict(attack))
        asked = {name: each for name, each in batch.items() if name != task.input}
        return parallel.gather((outputs_fn(x), asked | ({task.input: x} if keep_inputs else {})))

    # In memory, every device has the whole split and takes its examples from it.
    own = 0 if streamed else None
    in_axes = (None, None, own, 0, None, None, None)
    return parallel.parallel(outputs, in_axes=in_axes, devices=devices)
