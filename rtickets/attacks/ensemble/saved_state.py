"""The state of an ensemble on disk: written whole or not at all, read as plain data."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets.attacks.ensemble.queue import Queue
from rtickets.attacks.identity import Answers, alike
from rtickets.errors import InputError
from rtickets.storage import guarded, workdirs

FILE = "attack.npz"
_ARRAYS = ("undecided", "fooled_by", "x_adv", "broken", "ended", "trial", "shares")
DAMAGED = (  # what reading a missing, shortened or altered archive raises
    OSError, EOFError, ValueError, LookupError, TypeError, RuntimeError, zipfile.BadZipFile,
)  # fmt: skip


class Progress(NamedTuple):
    """Where an ensemble is.

    Attributes:
        leg: index of the run of an attack that is under way.
        undecided: bool (N,), the examples that the leg began with.
        fooled_by: int (N,), the leg that fooled the example, -1 for none.
        x_adv: float32 images (N, H, W, C).
        queue: where the leg is, or None before it begins.
        evaluations: evaluations of the model by leg.
        seconds: wall-clock time by leg.
        broken: bool (N,), the examples of which a gradient was not finite.
        ended: bool (N,), of a random model, the examples whose run in this leg has ended.
        trial: float32 images (N, H, W, C) at which these ended; (0, ...) before the leg begins.
        shares: float32 (legs, N), of a random model, how often the worst images so far are
            classified correctly, after every leg.
    """

    leg: int
    undecided: np.ndarray
    fooled_by: np.ndarray
    x_adv: np.ndarray
    queue: Queue | None
    evaluations: list[int]
    seconds: list[float]
    broken: np.ndarray
    ended: np.ndarray
    trial: np.ndarray
    shares: np.ndarray


def save_progress(folder: Path, progress: Progress, fingerprint: str, answers: Answers) -> None:
    """Replace the stored state in an existing folder.

    Args:
        fingerprint: of the work, checked when the state is read.
        answers: of the model, compared then.
    """
    queue = progress.queue
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(queue.slots)] if queue else []
    meta = {
        "fingerprint": fingerprint,
        "leg": progress.leg,
        "evaluations": progress.evaluations,
        "seconds": progress.seconds,
        "queue": [queue.position, queue.evaluations] if queue else None,
        "leaves": len(leaves),
    }
    arrays: dict[str, Any] = {f"leaf{index}": leaf for index, leaf in enumerate(leaves)}
    arrays |= {name: getattr(progress, name) for name in _ARRAYS} | answers._asdict()
    if queue:
        arrays["example"] = queue.example
    partial = folder / f".{FILE}.0"  # a name that a stage clears away
    guarded.remove(partial)
    with partial.open("xb") as file:
        np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / FILE)
    workdirs.wrote(folder / FILE)


def load_progress(
    folder: Path, fingerprint: str, answers: Answers, slots_like: Any
) -> Progress | None:
    """Read the stored state; None where none is stored or it is damaged, so that work begins anew.

    Args:
        fingerprint: of the work that wants to go on.
        answers: of its model.
        slots_like: (leg, number of slots) -> pytree of the structure of that leg's slots.

    Raises:
        InputError: if the state belongs to other work.
    """
    try:
        meta, arrays = _read(folder / FILE)
        theirs = Answers(*(arrays[name] for name in Answers._fields))
        found = meta["fingerprint"]
    except DAMAGED:
        return None
    # Whose state it is comes before its shapes: other work may have others.
    if found != fingerprint:
        raise InputError(
            f"{folder / FILE} holds an attack on another model, other images or with other "
            "settings; choose another folder or remove the file"
        )
    if not alike(theirs, answers):
        raise InputError(
            f"{folder / FILE} holds an attack on a model with the same weights that computes other "
            "logits or gradients; choose another folder or remove the file"
        )
    try:
        return _restored(meta, arrays, slots_like)
    except DAMAGED:  # the digest of the work is no secret: anybody may have made the file
        return None


def _read(file: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what `save_progress` wrote, or raise one of `DAMAGED`."""
    with guarded.open_to_read(file) as opened, np.load(opened, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(arrays.pop("meta").tobytes())
    needed = {*_ARRAYS, *(f"leaf{index}" for index in range(meta["leaves"]))}
    if missing := (needed | {"example"} if meta["queue"] else needed) - set(arrays):
        raise LookupError(f"has no {sorted(missing)}")
    return meta, arrays


def _restored(
    meta: dict[str, Any], arrays: dict[str, np.ndarray], slots_like: Any
) -> Progress | None:
    """Return the state, None where arrays do not fit together; or raise one of `DAMAGED`."""
    own = {name: arrays[name] for name in _ARRAYS}
    leaves = [arrays[f"leaf{index}"] for index in range(meta["leaves"])]
    if not _fit_together(**own):
        return None
    leg, queue = int(meta["leg"]), None
    if meta["queue"]:
        position, evaluations = (int(number) for number in meta["queue"])
        example = arrays["example"]
        slots = _like(leaves, slots_like(leg, len(example)))
        queue = Queue(position, example, evaluations, slots)
    counted = [int(number) for number in meta["evaluations"]]
    seconds = [float(number) for number in meta["seconds"]]
    return Progress(leg=leg, queue=queue, evaluations=counted, seconds=seconds, **own)


def _fit_together(
    undecided: np.ndarray,
    fooled_by: np.ndarray,
    x_adv: np.ndarray,
    broken: np.ndarray,
    ended: np.ndarray,
    trial: np.ndarray,
    shares: np.ndarray,
) -> bool:
    """Whether arrays have the shapes and types of one state, see `Progress`."""
    examples = x_adv.shape[:1]
    flags = all(
        flag.dtype == bool and flag.shape == examples for flag in (undecided, broken, ended)
    )
    images = trial.shape in (x_adv.shape, (0, *x_adv.shape[1:]))
    by_leg = fooled_by.shape == examples and fooled_by.dtype.kind == "i"
    return flags and images and by_leg and shares.ndim == 2


def _like(leaves: list[np.ndarray], like: Any) -> Any:
    """Return leaves as a pytree of another's structure; ValueError unless they are like its own."""
    found = [(leaf.shape, leaf.dtype) for leaf in leaves]
    if found != [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(like)]:
        raise ValueError("the state is that of another version of the package")
    return jax.tree.unflatten(jax.tree.structure(like), leaves)
