"""Measuring with several processes: each takes a share of the images, on its own devices.

Nothing is communicated until all are done, so that every process works at its own pace; one that
is asked to stop keeps what it has, and then all stop.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import jax
import numpy as np

from rtickets.attacks import WorstCase
from rtickets.attacks.ensemble.autoattack import Expected, Row
from rtickets.errors import Preempted
from rtickets.evaluation.subject import Subject
from rtickets.platform import processes
from rtickets.storage import guarded

_T = TypeVar("_T")


def do_share(work: Callable[[Path], _T], folder: Path) -> _T:
    """Do this process's share of some work.

    Args:
        work: does it, keeping its state in the folder that it is given.
        folder: where to; each of several processes has one of its own beside it.

    Raises:
        Preempted: in every process, if any was asked to stop.
    """
    if (count := jax.process_count()) > 1:
        folder = folder.with_name(f"{folder.name}-{jax.process_index()}of{count}")
    guarded.own_folder(folder.parent)
    guarded.own_folder(folder)
    try:
        done = [work(folder)]
    except Preempted:
        done = []
    if processes.any_process(not done):
        raise Preempted("asked to stop")
    return done[0]


def attack_in_shares(attack: Callable[..., WorstCase], subject: Subject, folder: Path) -> WorstCase:
    """Attack all images of a subject, and return the outcome over them all in every process.

    Args:
        attack: `rtickets.attacks.worst_case` with its settings bound.
        folder: where the state of the attack is kept; each of several processes has one of its own.

    Raises:
        Preempted: in every process, if any was asked to stop.
    """
    total = len(subject.y)
    mine = processes.own_share(total)
    own = partial(
        attack, subject.x[mine], subject.y[mine], subject.keys[mine],
        batch_size=-(-subject.batch_size // jax.process_count()), devices=subject.devices.local,
    )  # fmt: skip
    found = do_share(lambda folder: own(folder=folder), folder)
    return found if len(mine) == total else merge(found, total)


def merge(found: WorstCase, total: int) -> WorstCase:
    """Put the outcomes of the shares of all processes together; times are those of the slowest."""
    names = np.array(["", *dict.fromkeys(row.attack for row in found.rows)], object)
    by = np.array([list(names).index(name) for name in found.fooled_by])
    x_adv, correct, recomputed, broken, by = (
        processes.merge_shares(each, total)
        for each in (found.x_adv, found.correct, found.recomputed, found.broken, by)
    )
    expected = _merge_expected(found.expected, total)
    rows = _sum_rows(found.rows, total)
    if expected:
        means = expected.after.mean(1)
        rows = tuple(
            row._replace(robust_accuracy=float(mean)) for row, mean in zip(rows, means, strict=True)
        )
    return WorstCase(x_adv, correct, names[by], rows, recomputed, broken, expected)


def _merge_expected(found: Expected | None, total: int) -> Expected | None:
    if found is None:
        return None
    right = processes.merge_shares(found.right, total)
    return Expected(right, processes.merge_shares(found.after.T, total).T, found.draws)


def _sum_rows(rows: tuple[Row, ...], total: int) -> tuple[Row, ...]:
    counts = np.array([[row.attacked, row.fooled, row.evaluations] for row in rows])
    counts = processes.gather(counts).sum(0)
    seconds = processes.gather(np.array([row.seconds for row in rows])).max(0)
    return tuple(
        Row(row.attack, int(attacked), int(fooled), float((attacked - fooled) / total),
            int(evaluations), float(slowest), row.note)
        for row, (attacked, fooled, evaluations), slowest
        in zip(rows, counts, seconds, strict=True)
    )  # fmt: skip
