"""Running the attacks of an ensemble one after the other, resumable at any moment."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.ensemble.members import Member
from rtickets.attacks.ensemble.queue import (
    Attacked,
    Fixed,
    Queue,
    Waiting,
    number_of_slots,
    open_queue,
    slots_like,
    work,
)
from rtickets.attacks.ensemble.saved_state import FILE, Progress, load_progress, save_progress
from rtickets.attacks.ensemble.work import EnsembleWork
from rtickets.attacks.expectation import SELECTION, is_worse
from rtickets.attacks.functions import targets_by_logit
from rtickets.attacks.identity import answers_of
from rtickets.attacks.inputs import restart_keys
from rtickets.errors import Preempted
from rtickets.platform import preemption

_SAVE_SECONDS, _SAY_SECONDS = 60.0, 10.0


def run_ensemble(
    task: EnsembleWork, logits: np.ndarray, folder: Path | None, say: Callable[[str], None]
) -> Progress:
    """Run every attack on the examples that are left to it, and return the last state.

    Args:
        logits: of the clean images, (N, classes).
        folder: where the state is kept, or None.
        say: called with a line of progress now and then.

    Raises:
        InputError: for a folder that holds the state of other work.
        Preempted: if the process was asked to stop; the state is kept then.
    """
    nobody, no = np.full(len(task.y), -1), np.zeros(len(task.y), bool)
    left = ~no if task.samples else logits.argmax(-1) == task.y
    none = np.zeros((0, len(task.y)), np.float32)
    progress = Progress(
        0, left, nobody, task.x.copy(), None, [], [], no, no.copy(), task.x[:0], none
    )
    save: Callable[[Progress], None] = lambda progress: None  # noqa: E731
    if folder is not None:
        fingerprint = task.fingerprint(logits)
        answers = answers_of(task.logits_fn, task.x, task.keys, task.members[0].samples)
        like = partial(_slots_like, task, logits.shape[1])
        stored = load_progress(folder, fingerprint, answers, like)
        if stored is None and (folder / FILE).exists():
            say(
                f"{folder / FILE} is damaged, or of another version or number of devices; all "
                "attacks begin anew"
            )
        progress = stored or progress
        save = partial(save_progress, folder, fingerprint=fingerprint, answers=answers)
    targets = np.asarray(targets_by_logit(jnp.asarray(logits), jnp.asarray(task.y)))
    while progress.leg < len(task.legs()):
        progress = _run_leg(task, progress, targets, save, say)
        save(progress)
    return progress


def _run_leg(
    task: EnsembleWork,
    progress: Progress,
    targets: np.ndarray,
    save: Callable[[Progress], None],
    say: Callable[[str], None],
) -> Progress:
    """Run one attack once and return the state before the next leg.

    A deterministic model's examples leave as soon as they are fooled. Those of a random one stay to
    the end, and what their runs end at is kept if it is worse than what there is, on average.
    """
    leg, random = progress.leg, task.samples > 0
    index, restart, rank = task.legs()[leg]
    member = task.members[index]
    waiting = _waiting(member, progress.undecided, task.y, targets, rank)
    first = progress.undecided | (progress.fooled_by >= leg - restart)  # left to its first run
    runs = len(_waiting(member, first, task.y, targets, rank))
    slots = number_of_slots(runs, task.batch_size, len(task.devices))  # alike for all restarts
    if random and not len(progress.trial):
        progress = progress._replace(trial=task.x.copy(), ended=np.zeros(len(task.y), bool))
    attacked = _attacked(task, progress, restart_keys(_member_keys(task.keys, index), restart))
    spent, started = (progress.seconds[leg:] or [0.0])[0], time.monotonic()

    def now(queue: Queue) -> Progress:
        return _noted(progress, queue, attacked, spent + time.monotonic() - started, random=random)

    def tell(queue: Queue) -> None:
        known = _so_far(progress, attacked.fooled, random)
        say(f"{member.kind}: {known}{queue.position} of {len(waiting)} runs begun")

    search = task.search(leg, targets.shape[1] + 1)
    fixed = Fixed(task.eps, member.step_size or 0.0, restart > 0, to_the_end=random)

    def turn(queue: Queue) -> Queue | None:
        return work(queue, search, task.logits_fn, attacked, waiting, fixed, task.devices)

    queue = _work_off(turn, progress.queue or open_queue(slots), lambda at: save(now(at)), tell)
    done = now(queue)
    if random:
        save(done)  # before what `_settle` evaluates, which may be stopped as well
        return _settle(task, done)
    undecided = progress.undecided & ~attacked.fooled
    return done._replace(leg=leg + 1, undecided=undecided, queue=None)


def _attacked(task: EnsembleWork, progress: Progress, keys: Array) -> Attacked:
    """Return what a leg works on; what it finds is written into the arrays of the state.

    Of a random model that are the ends of its runs, which `_settle` compares with what there is.
    """
    random = task.samples > 0
    fooled = progress.ended if random else progress.fooled_by >= 0
    images = progress.trial if random else progress.x_adv
    key_data = np.asarray(jax.random.key_data(keys))
    return Attacked(task.x, task.y, key_data, fooled, images, progress.broken)


def _work_off(
    turn: Callable[[Queue], Queue | None],
    queue: Queue,
    save: Callable[[Queue], None],
    tell: Callable[[Queue], None],
) -> Queue:
    """Take turns until no run is left, saving and telling now and then; Preempted once saved."""
    saved = said = time.monotonic()
    with preemption.saving():
        while step := turn(queue):
            queue = step
            stop = preemption.heard()
            if stop or time.monotonic() - saved > _SAVE_SECONDS:
                save(queue)
                saved = time.monotonic()
            if stop:
                raise Preempted("asked to stop")
            if time.monotonic() - said > _SAY_SECONDS:
                tell(queue)
                said = time.monotonic()
    return queue


def _noted(
    progress: Progress, queue: Queue, attacked: Attacked, seconds: float, *, random: bool
) -> Progress:
    """Return the state of a leg under way; who fools a random model is known at its end alone."""
    new = attacked.fooled & (progress.fooled_by < 0) & (not random)
    return progress._replace(
        fooled_by=np.where(new, progress.leg, progress.fooled_by),
        queue=queue,
        evaluations=[*progress.evaluations[: progress.leg], queue.evaluations],
        seconds=[*progress.seconds[: progress.leg], seconds],
    )


def _so_far(progress: Progress, fooled: np.ndarray, random: bool) -> str:
    """Say what is left, where it is known before an attack has ended."""
    if random:
        known = len(progress.shares)
        return f"accuracy at most {progress.shares[-1].mean():.1%}, " if known else ""
    left = (progress.undecided & ~fooled).sum() / len(fooled)
    return f"robust accuracy at most {left:.1%}, "


def _settle(task: EnsembleWork, progress: Progress) -> Progress:
    """Keep the images of a leg that are worse for a random model, and return the next state."""
    old, new = (task.rate(images, SELECTION) for images in (progress.x_adv, progress.trial))
    worse = is_worse(new, old) & progress.ended
    shape = (-1, *[1] * (progress.x_adv.ndim - 1))
    right = 1 - np.where(worse, new.success, old.success)
    return progress._replace(
        leg=progress.leg + 1,
        x_adv=np.where(worse.reshape(shape), progress.trial, progress.x_adv),
        fooled_by=np.where(worse, progress.leg, progress.fooled_by),
        shares=np.concatenate([progress.shares, right[None].astype(np.float32)]),
        ended=np.zeros_like(progress.ended),
        trial=progress.trial[:0],
        queue=None,
    )


def _waiting(
    member: Member,
    undecided: np.ndarray,
    y: np.ndarray,
    targets: np.ndarray,
    rank: int | None,
) -> list[Waiting]:
    """Return the runs of a leg: the likeliest target of all examples, then the next."""
    examples = np.flatnonzero(undecided)
    if not member.targeted:
        return [Waiting(int(i), int(y[i])) for i in examples]
    ranks = range(min(member.num_targets or 0, targets.shape[1]))
    ranks = ranks if rank is None else ranks[rank : rank + 1]  # none where there are fewer classes
    return [Waiting(int(i), int(targets[i, rank])) for rank in ranks for i in examples]


def _member_keys(keys: Array, index: int) -> Array:
    return jax.vmap(lambda key: jax.random.fold_in(key, index))(keys)


def _slots_like(task: EnsembleWork, num_classes: int, leg: int, slots: int) -> Any:
    count = len(task.devices)
    own = slots_like(
        task.search(leg, num_classes),
        (slots // count, *task.x.shape[1:]),
        jax.random.key_data(task.keys).shape[1],
    )
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), own)
