"""A network over the batches of a split, clean or under attack, and what is read of answers."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import models
from rtickets.attacks.search import repeat
from rtickets.attacks.segpgd import SEGPGD
from rtickets.data.images.augment import Transform
from rtickets.data.images.stream import evaluation_batches
from rtickets.evaluation.examples import Examples, Network
from rtickets.masks import Params
from rtickets.platform import parallel, preemption
from rtickets.tasks import Batch, Task
from rtickets.tasks.search import attacked

Read = Callable[[Task, Any, dict[str, Array], Array], Any]
"""(task, outputs, batch as the network saw it, bool (b,): what fills no batch up) -> what is read.

It is the same on all devices; equal ones share a compiled program.
"""

_IN_FLIGHT = 2  # batches that may be under way before the host waits for one


def over_batches(
    network: Network,
    examples: Examples,
    read: Read,
    *,
    pgd: Mapping[str, Any] | None = None,
    restarts: Sequence[int] = (),
    chosen: np.ndarray | None = None,
    batch_size: int = 256,
    seed: int = 0,
) -> Generator[Any, None, None]:
    """Run a network over examples, and yield what is read off its answers to every batch.

    The last batch is filled up, so that nothing is compiled twice. Random starts belong to the
    example's position in the split, so that results do not depend on the batch size.

    Args:
        network: the network.
        examples: the split.
        read: what is yielded of a batch.
        pgd: attack the inputs first, with these arguments of `rtickets.attacks.pgd`; its radius and
            step are data.
        restarts: seeds of starts of the attack, of which every example keeps the one with the
            largest loss of the task (of 'segpgd', the most harm), or its clean inputs if no start
            raised it; none is one start by `seed`, that keeps what it ends at.
        chosen: places in the split of the examples to take; None is all of them.
        batch_size: examples per call, over all devices; rounded up to a multiple of them.
        seed: of the attack's random starts.

    Raises:
        Preempted: if the process was asked to stop.
    """
    devices = examples.devices
    batch_size = -(-batch_size // len(devices)) * len(devices)
    taken = np.arange(len(examples.split)) if chosen is None else chosen
    count = len(taken)
    # The last example fills the last batch up; its copies are no valid ones.
    places = np.arange(-(-count // batch_size) * batch_size)
    order = taken[np.minimum(places, count - 1)].astype(np.int32)
    replicated = parallel.replicate((network.params, network.batch_stats), devices)
    keys = jnp.stack([jax.random.key(each) for each in restarts or (seed,)])
    settings = {"eps": 0.0, "step_size": 0.0} if pgd is None else dict(pgd)
    # Lengths are arguments of the program, which a curve over radii compiles once.
    size = jnp.float32(settings.pop("eps")), jnp.float32(settings.pop("step_size"))
    inner = None if pgd is None else tuple(settings.items())
    run = _compiled(
        network.model, examples.task, examples.transform, inner, bool(restarts), devices,
        examples.streamed, read,
    )  # fmt: skip
    waiting: list[Any] = []
    check = preemption.late_check(devices)
    with closing(_batches(examples, order, batch_size)) as batches:
        calls = (each.reshape(-1, batch_size) for each in (order, places < count))
        for place, valid, batch in zip(*calls, batches, strict=True):
            check()
            # The host runs ahead, but batches must not pile up on the devices.
            if len(waiting) >= _IN_FLIGHT:
                jax.block_until_ready(waiting[0])
                yield waiting.pop(0)
            sharded = (parallel.shard(each, devices) for each in (place, valid))
            waiting.append(run(*replicated, batch, *sharded, keys, *size))
        yield from waiting


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
    worst: bool,
    devices: parallel.Devices,
    streamed: bool,
    read: Read,
) -> Any:
    def found(
        params: Params,
        batch_stats: Any,
        raw: dict[str, Array],
        chosen: Array,
        valid: Array,
        keys: Array,
        eps: Array,
        step_size: Array,
    ) -> Any:
        called = task.evaluated(model, transform)

        def outputs_fn(x: Array) -> Any:
            return models.logits(called, params, batch_stats, task.seen(batch, x))

        if not streamed:
            raw = jax.tree.map(lambda leaf: leaf[chosen], raw)
        batch = task.prepare(transform, raw)
        x = batch[task.input]
        if attack is not None:
            settings = {"eps": eps, "step_size": step_size, **dict(attack)}

            def start(key: Array) -> Array:
                own = jax.vmap(lambda i: jax.random.fold_in(key, i))(chosen)
                return attacked(task, outputs_fn, batch, own, **settings)

            weighted = settings.get("loss") == SEGPGD and task.weights_answers
            harm = task.harm if weighted else task.loss
            x = _worst(task, harm, outputs_fn, batch, start, keys) if worst else start(keys[0])
        return read(task, outputs_fn(x), {**batch, task.input: x}, valid)

    own = 0 if streamed else None
    in_axes = (None, None, own, 0, 0, None, None, None)
    return parallel.parallel(found, in_axes=in_axes, devices=devices)


def _worst(
    task: Task,
    harm: Callable[[Any, Batch], Array],
    outputs_fn: Callable[[Array], Any],
    batch: Batch,
    start: Callable[[Array], Array],
    keys: Array,
) -> Array:
    """Return the inputs of the most harm over some starts; the clean ones are candidates."""

    def loss(x: Array) -> Array:
        return harm(outputs_fn(x), {**batch, task.input: x})

    def body(index: Array | int, found: tuple[Array, Array]) -> tuple[Array, Array]:
        old, before = found
        new = start(keys[index])
        after = loss(new)
        worse = jnp.isnan(after) | (after > before)
        picked = jnp.where(worse.reshape(-1, *[1] * (new.ndim - 1)), new, old)
        return picked, jnp.where(worse, after, before)

    clean = batch[task.input]
    return repeat(body, len(keys), (clean, loss(clean)))[0]
