"""Running the attacks of an ensemble one after the other, resumable at any moment."""

import hashlib
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets import parallel, preemption
from rtickets.attacks.functions import targets_by_logit
from rtickets.attacks.identity import answers_of
from rtickets.attacks.inputs import restart_keys
from rtickets.attacks.members import Member
from rtickets.attacks.progress import Progress, load_progress, save_progress
from rtickets.attacks.projections import Norm
from rtickets.attacks.queue import (
    Attacked,
    Fixed,
    Waiting,
    number_of_slots,
    open_queue,
    slots_like,
    work,
)
from rtickets.attacks.search import LogitsFn, Search, call_model, join_model, split_model
from rtickets.errors import Preempted

_SAVE_SECONDS, _SAY_SECONDS = 60.0, 10.0


class Task(NamedTuple):
    """Everything that the outcome of an ensemble depends on.

    Attributes:
        logits_fn: the model.
        x: float32 images (N, H, W, C).
        y: int32 labels (N,).
        keys: typed PRNG keys (N,).
        eps: radius in pixel units.
        norm: norm of the ball.
        members: the attacks.
        batch_size: examples evaluated at once, over all devices.
        devices: where to compute.
    """

    logits_fn: LogitsFn
    x: np.ndarray
    y: np.ndarray
    keys: Array
    eps: float
    norm: Norm
    members: tuple[Member, ...]
    batch_size: int
    devices: parallel.Devices

    def legs(self) -> list[tuple[int, int]]:
        """Return (index of the member, restart) of every run of an attack, in order."""
        return [(i, r) for i, member in enumerate(self.members) for r in range(member.restarts)]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) of images (N, ...) in batches of one shape."""
        devices, samples = self.devices, self.members[0].samples
        function, arguments = split_model(self.logits_fn)
        run = _compiled_logits(function, samples, devices)
        keys = np.asarray(jax.random.key_data(self.keys))
        size = -(-min(self.batch_size, len(images)) // len(devices)) * len(devices)
        order = np.arange(-(-len(images) // size) * size) % len(images)
        parts = [
            run(
                arguments,
                parallel.shard(images[some], devices),
                parallel.shard(keys[some], devices),
            )
            for some in np.split(order, len(order) // size)
        ]
        return np.concatenate([np.concatenate(np.asarray(part)) for part in parts])[: len(images)]

    def search(self, leg: int, num_classes: int) -> Search:
        """Return the search of a leg."""
        return self.members[self.legs()[leg][0]].search(self.norm, num_classes)

    def fingerprint(self, logits: np.ndarray) -> str:
        """Return a digest of the task.

        The weights of a `Partial` and the classes that it predicts stand for the model, else its
        clean logits, which another machine rounds otherwise. What its function computes besides is
        compared with tolerance (`rtickets.attacks.identity.Answers`).
        """
        weights = jax.tree.leaves(split_model(self.logits_fn)[1])
        model = [*weights, logits.argmax(-1)] if weights else [logits]
        settings = (self.members, self.eps, self.norm, self.batch_size, len(self.devices))
        digest = hashlib.sha256(repr(settings).encode())
        for array in (self.x, self.y, jax.random.key_data(self.keys), *model):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@lru_cache(maxsize=16)
def _compiled_logits(
    function: Callable[..., Array], samples: int, devices: parallel.Devices
) -> Any:
    def logits(arguments: Any, x: Array, keys: Array) -> Array:
        logits_fn = join_model(function, arguments)
        return call_model(logits_fn, x, jax.random.wrap_key_data(keys), samples).mean(0)

    return parallel.parallel(logits, in_axes=(None, 0, 0), out_axes=0, devices=devices)


def run_ensemble(
    task: Task, logits: np.ndarray, folder: Path | None, say: Callable[[str], None]
) -> Progress:
    """Run every attack on the examples that are left to it.

    Args:
        task: the work.
        logits: of the clean images, (N, classes).
        folder: where the state is kept, or None.
        say: called with a line of progress now and then.

    Returns:
        The last state.

    Raises:
        InputError: for a folder that holds the state of other work.
        Preempted: if the process was asked to stop; the state is kept then.
    """
    nobody, correct = np.full(len(task.y), -1), logits.argmax(-1) == task.y
    progress = Progress(
        0, correct, nobody, task.x.copy(), None, [], [], np.zeros(len(task.y), bool)
    )
    save: Callable[[Progress], None] = lambda progress: None  # noqa: E731
    if folder is not None:
        fingerprint = task.fingerprint(logits)
        answers = answers_of(task.logits_fn, task.x, task.keys, task.members[0].samples)
        like = partial(_slots_like, task, logits.shape[1])
        progress = load_progress(folder, fingerprint, answers, like) or progress
        save = partial(save_progress, folder, fingerprint=fingerprint, answers=answers)
    targets = np.asarray(targets_by_logit(jnp.asarray(logits), jnp.asarray(task.y)))
    while progress.leg < len(task.legs()):
        progress = _run_leg(task, progress, targets, save, say)
        save(progress)
    return progress


def _run_leg(
    task: Task,
    progress: Progress,
    targets: np.ndarray,
    save: Callable[[Progress], None],
    say: Callable[[str], None],
) -> Progress:
    """Run one attack once and return the state before the next leg."""
    leg = progress.leg
    index, restart = task.legs()[leg]
    waiting = _waiting(task.members[index], progress.undecided, task.y, targets)
    first = progress.undecided | (progress.fooled_by >= leg - restart)  # left to its first run
    runs = len(_waiting(task.members[index], first, task.y, targets))
    slots = number_of_slots(runs, task.batch_size, len(task.devices))  # alike for all restarts
    queue = progress.queue or open_queue(slots)
    fooled, seconds = progress.fooled_by >= 0, progress.seconds[leg:] or [0.0]
    keys = jax.random.key_data(restart_keys(_member_keys(task.keys, index), restart))
    mutable = fooled, progress.x_adv, progress.broken
    attacked = Attacked(task.x, task.y, np.asarray(keys), *mutable)
    search = task.search(leg, targets.shape[1] + 1)
    started = saved = said = time.monotonic()

    def now(queue: Any) -> Progress:
        by = np.where(fooled & (progress.fooled_by < 0), leg, progress.fooled_by)
        spent = seconds[0] + time.monotonic() - started
        return progress._replace(
            fooled_by=by,
            queue=queue,
            evaluations=[*progress.evaluations[:leg], queue.evaluations],
            seconds=[*progress.seconds[:leg], spent],
        )

    fixed = Fixed(task.eps, task.members[index].step_size or 0.0, restart > 0)
    with preemption.saving():
        while step := work(queue, search, task.logits_fn, attacked, waiting, fixed, task.devices):
            queue = step
            stop = preemption.heard()
            if stop or time.monotonic() - saved > _SAVE_SECONDS:
                save(now(queue))
                saved = time.monotonic()
            if stop:
                raise Preempted("asked to stop")
            if time.monotonic() - said > _SAY_SECONDS:
                left = (progress.undecided & ~fooled).sum() / len(fooled)
                say(f"{task.members[index].kind}: robust accuracy at most {left:.1%}, "
                    f"{queue.position} of {len(waiting)} runs begun")  # fmt: skip
                said = time.monotonic()
    done = now(queue)
    return done._replace(leg=leg + 1, undecided=progress.undecided & ~fooled, queue=None)


def _waiting(
    member: Member, undecided: np.ndarray, y: np.ndarray, targets: np.ndarray
) -> list[Waiting]:
    """Return the runs of an attack: the likeliest target of all examples, then the next."""
    examples = np.flatnonzero(undecided)
    if not member.targeted:
        return [Waiting(int(i), int(y[i])) for i in examples]
    ranks = range(min(member.num_targets or 0, targets.shape[1]))
    return [Waiting(int(i), int(targets[i, rank])) for rank in ranks for i in examples]


def _member_keys(keys: Array, index: int) -> Array:
    return jax.vmap(lambda key: jax.random.fold_in(key, index))(keys)


def _slots_like(task: Task, num_classes: int, leg: int, slots: int) -> Any:
    return slots_like(
        task.search(leg, num_classes),
        (slots // len(task.devices), *task.x.shape[1:]),
        jax.random.key_data(task.keys).shape[1],
    )
