"""Attacking many examples in arrays of constant shape.

Examples leave their slot as soon as they are fooled or have used up their evaluations, and the next
waiting run takes it. So no evaluation is spent on a decided example, and nothing recompiles.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.search import (
    Job,
    LogitsFn,
    Search,
    advance,
    begin_search,
    choose,
    join_model,
    split_model,
)
from rtickets.platform import parallel

_EMPTY = -1
_DISPATCHED = 10  # evaluations per call of an accelerator


class Waiting(NamedTuple):
    """One run of a search on an example, by its index, and the class aimed at or else the label."""

    example: int
    target: int


class Fixed(NamedTuple):
    """What all runs of an attack share.

    Attributes:
        eps: radius in pixel units.
        step_size: length of a step, for a search that does not choose its own.
        random_start: for a search that starts at random points in some of its runs.
        to_the_end: runs end with their evaluations and not before; then `fooled` of `Attacked` is
            where one has ended, and `x_adv` what it ended at.
    """

    eps: float
    step_size: float = 0.0
    random_start: bool = False
    to_the_end: bool = False


class Slots(NamedTuple):
    """The runs under way; arrays of leading axes (D, S / D) for S slots on D devices.

    Attributes:
        job: what they attack.
        state: states of the search.
        spent: int32, evaluations done.
    """

    job: Job
    state: Any
    spent: Array


class Queue(NamedTuple):
    """Where a queue is; everything on the host but `slots`.

    Attributes:
        position: index of the next waiting run.
        example: int (S,), the example in every slot, -1 where there is none.
        evaluations: evaluations of the model spent on undecided examples.
        slots: the runs under way, or None before the first.
    """

    position: int
    example: np.ndarray
    evaluations: int
    slots: Slots | None


class Attacked(NamedTuple):
    """The examples that a queue works on and what it has found; arrays on the host.

    Attributes:
        x: float32 images (N, H, W, C).
        y: int32 labels (N,).
        key_data: raw keys (N, ...), of this attack and restart.
        fooled: bool (N,), changed in place.
        x_adv: float32 images (N, H, W, C), changed in place where an example is fooled.
        broken: bool (N,), changed in place where a gradient is not finite.
    """

    x: np.ndarray
    y: np.ndarray
    key_data: np.ndarray
    fooled: np.ndarray
    x_adv: np.ndarray
    broken: np.ndarray


def number_of_slots(runs: int, batch_size: int, devices: int) -> int:
    """Return the size of the batches that work off a number of runs with little left over.

    It is rounded up to eighths of the batch size, the most, so that few sizes, each a compilation,
    occur; and up to a multiple of the devices.
    """
    rounds = max(-(-runs // batch_size), 1)
    unit, most = (-(-size // devices) * devices for size in (max(batch_size // 8, 1), batch_size))
    return min(max(-(-runs // (rounds * unit)), 1) * unit, most)


def open_queue(slots: int) -> Queue:
    """Return a queue before its first run."""
    return Queue(0, np.full(slots, _EMPTY), 0, None)


def work(
    queue: Queue,
    search: Search,
    logits_fn: LogitsFn,
    attacked: Attacked,
    waiting: Sequence[Waiting],
    fixed: Fixed,
    devices: parallel.Devices,
) -> Queue | None:
    """Fill the free slots, advance all of them, and write down who was fooled.

    Args:
        attacked: the examples; results are written into it.
        waiting: the runs, in order; those of fooled examples are passed over.

    Returns:
        Where the queue is then; None when nothing is left to do.
    """
    position, example, target, replace = _admit(queue, attacked, waiting)
    if (example == _EMPTY).all():
        return None
    size, slots = len(example), queue.slots
    if replace.any():
        radius, step_size = (np.full(size, each, np.float32) for each in fixed[:2])
        random_start = np.full(size, fixed.random_start)
        # An empty slot (-1) takes the last example along, only to keep the shape: it stays idle.
        own = attacked.x[example], attacked.y[example], target, attacked.key_data[example]
        fresh = Job._make((*own, radius, step_size, random_start))
        sharded = jax.tree.map(lambda a: parallel.shard(a, devices), (fresh, replace))
        slots = _compiled_admission(search, devices)(slots, *sharded)
    function, arguments = split_model(logits_fn)
    # Convolutions in loops are slow on XLA:CPU.
    steps = 1 if devices[0].platform == "cpu" else min(search.evaluations, _DISPATCHED)
    idle = parallel.shard(example == _EMPTY, devices)
    slots, done = _compiled(search, function, steps, devices)(arguments, slots, idle)
    state, busy = slots.state, example != _EMPTY
    fooled, broken, done = (np.asarray(a).reshape(-1) for a in (state.fooled, state.broken, done))
    attacked.broken[example[broken & busy]] = True
    # Images are copied from the device only where there are new ones.
    new = (done if fixed.to_the_end else fooled) & busy
    if new.any():
        images = np.asarray(state.x_adv).reshape(size, *attacked.x.shape[1:])
        attacked.x_adv[example[new]] = images[new]
        attacked.fooled[example[new]] = True
    spent = queue.evaluations + steps * int(busy.sum())
    decided = attacked.fooled[example] | done
    return Queue(position, np.where(decided, _EMPTY, example), spent, slots)


def _admit(
    queue: Queue, attacked: Attacked, waiting: Sequence[Waiting]
) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Return the next position, the examples in the slots, and the new ones' targets and places."""
    example, position = queue.example.copy(), queue.position
    target = np.zeros(len(example), np.int32)
    replace = np.zeros(len(example), bool)
    for slot in np.flatnonzero(example == _EMPTY):
        while position < len(waiting) and attacked.fooled[waiting[position].example]:
            position += 1
        if position == len(waiting):
            break
        example[slot], target[slot] = waiting[position]
        replace[slot] = True
        position += 1
    return position, example, target, replace


@lru_cache(maxsize=8)
def _compiled_admission(search: Search, devices: parallel.Devices) -> Any:
    def admit(slots: Slots | None, fresh: Job, replace: Array) -> Slots:
        state = begin_search(search, _with_typed_keys(fresh))
        started = Slots(fresh, state, jnp.zeros(fresh.y.shape, jnp.int32))
        return started if slots is None else choose(replace, started, slots)

    return parallel.parallel(admit, in_axes=(0, 0, 0), out_axes=0, devices=devices)


@lru_cache(maxsize=8)
def _compiled(
    search: Search, function: Callable[..., Array], steps: int, devices: parallel.Devices
) -> Any:
    def run(arguments: Any, slots: Slots, idle: Array) -> tuple[Slots, Array]:
        logits_fn = join_model(function, arguments)
        job = _with_typed_keys(slots.job)
        carry = slots.state, jnp.where(idle, search.evaluations, slots.spent)
        if steps == 1:
            state, count = advance(search, logits_fn, job, *carry)
        else:
            state, count = jax.lax.fori_loop(
                0, steps, lambda _, carry: advance(search, logits_fn, job, *carry), carry
            )
        return Slots(slots.job, state, count), count >= search.evaluations

    return parallel.parallel(run, in_axes=(None, 0, 0), out_axes=0, devices=devices)


def _with_typed_keys(job: Job) -> Job:
    """Keys travel as raw data, because typed ones cannot be selected between or saved."""
    return job._replace(key=jax.random.wrap_key_data(job.key))


def slots_like(search: Search, shape: tuple[int, ...], key_words: int) -> Slots:
    """Return a search's slots as abstract arrays, without the axis of devices, to restore them.

    `shape` is (slots per device, H, W, C), `key_words` the number of words of a raw key.
    """
    one = jax.ShapeDtypeStruct(shape[:1], jnp.int32)
    length = jax.ShapeDtypeStruct(shape[:1], jnp.float32)
    key = jax.ShapeDtypeStruct((shape[0], key_words), jnp.uint32)
    flag = jax.ShapeDtypeStruct(shape[:1], jnp.bool_)
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    job = Job._make((x, one, one, key, length, length, flag))
    state = jax.eval_shape(lambda job: begin_search(search, _with_typed_keys(job)), job)
    return Slots._make((job, state, one))
