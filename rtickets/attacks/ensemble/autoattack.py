"""The worst case over an ensemble of attacks, per example (Croce & Hein 2020)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial
from jax.typing import ArrayLike

from rtickets.attacks.ensemble.legs import run_ensemble
from rtickets.attacks.ensemble.members import Member
from rtickets.attacks.ensemble.outcome import Expected as Expected
from rtickets.attacks.ensemble.outcome import Row as Row
from rtickets.attacks.ensemble.outcome import WorstCase as WorstCase
from rtickets.attacks.ensemble.saved_state import Progress
from rtickets.attacks.ensemble.work import EnsembleWork
from rtickets.attacks.expectation import REPORT, number_of_turns
from rtickets.attacks.identity import pin
from rtickets.attacks.inputs import (
    KeyLike,
    as_images,
    check_labels,
    read_inputs,
    refuse_trace,
    usual_keys,
)
from rtickets.attacks.projections import Norm, check_norm
from rtickets.attacks.radii import check_count, check_radius, check_step
from rtickets.attacks.search import LogitsFn, is_fooled
from rtickets.attacks.stale_jit import check_plain
from rtickets.errors import InputError
from rtickets.platform import parallel

Version = Literal["standard", "plus", "rand", "fast"]

_SQUARE = Member("square", 5000, rescale=False)

MEMBERS: dict[str, tuple[Member, ...]] = {
    "standard": (
        Member("apgd_ce"),
        Member("apgd_t", num_targets=9),
        Member("fab_t", num_targets=9),
        _SQUARE,
    ),
    "plus": (
        Member("apgd_ce", restarts=5),
        Member("apgd_dlr", restarts=5),
        Member("fab", restarts=5),
        _SQUARE,
        Member("apgd_t", num_targets=9),
        Member("fab_t", num_targets=9),
    ),
    "rand": (Member("apgd_ce", samples=20), Member("apgd_dlr", samples=20)),
    "fast": (Member("apgd_ce", 50), Member("apgd_t", 50, num_targets=3)),
}
"""The published ensembles in L-infinity and L2, and 'fast', an upper bound of robust accuracy at a
twentieth of the cost of 'standard' on an example that resists. See `autoattack_members`."""


def autoattack_members(version: Version, norm: Norm) -> tuple[Member, ...]:
    """Return the attacks of an ensemble (Croce & Hein 2020; for 'l1' Croce & Hein 2021).

    In 'l1', 'standard' has five runs of APGD-CE and five targets of targeted APGD.
    """
    if version not in get_args(Version):
        raise InputError(f"version={version!r} is unknown; choose {', '.join(get_args(Version))}")
    if (version, norm) == ("standard", "l1"):
        first = Member("apgd_ce", restarts=5), Member("apgd_t", num_targets=5)
        return (*first, *MEMBERS[version][2:])
    return MEMBERS[version]


def autoattack(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: float,
    norm: Norm = "linf",
    version: Version = "standard",
    batch_size: int = 256,
) -> Array:
    """Return the images that an ensemble of attacks found; `worst_case` tells more.

    It takes what `worst_case` takes, and returns `x` where no attack succeeded.
    """
    found = worst_case(
        logits_fn, x, y, key, eps=eps, norm=norm, version=version, batch_size=batch_size
    )
    return jnp.asarray(found.x_adv)


def worst_case(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: float,
    norm: Norm = "linf",
    version: Version = "standard",
    members: Sequence[Member] | None = None,
    batch_size: int = 256,
    devices: parallel.Devices | None = None,
    folder: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> WorstCase:
    """Attack every example until one attack of an ensemble fools the model.

    A random model is attacked to the end instead, see `WorstCase`.

    Every attack sees only the examples that resisted the ones before, an example leaves its batch
    once it is fooled, and every attack compiles the model once. Batches have one of at most eight
    sizes, which depend on how many examples are left, so other networks mostly share what was
    compiled. For what is not named here see the head of `rtickets.attacks`.

    Args:
        logits_fn: a `jax.tree_util.Partial` shares compiled programs between networks of one
            function.
        x: floats (N, ...) in [0, 1]; Square, of most versions, needs images (N, H, W, C).
        version: 'standard', 'plus', 'rand' (for random models, which take keys too) or 'fast'.
        members: attacks to run instead of a version's.
        batch_size: examples evaluated at once, over all devices.
        devices: where to compute; None is all of this host.
        folder: existing folder for the state, which is written once a minute and from which the
            same call goes on, with the same result as if it had never stopped. One that holds the
            state of other work is refused.
        say: called with a line of progress now and then.
    """
    refuse_trace("worst_case", logits_fn, x, y, key, eps)
    check_norm(norm)
    members = autoattack_members(version, norm) if members is None else members
    folder = None if folder is None else Path(folder)
    _check_settings(members, batch_size, folder)
    about = tuple(members), batch_size, devices or parallel.local_devices()
    task = _pinned(_work((logits_fn, as_images(x), y, key), eps, norm, *about))
    logits = task.predict(task.x)
    check_labels(jnp.asarray(logits), jnp.asarray(task.y))
    check_plain(task.logits_fn, logits, task.x, task.keys, task.samples)
    done = run_ensemble(task, logits, folder, say or (lambda line: None))
    names = np.array(["", *(task.members[index].kind for index, *_ in task.legs())], object)
    correct = logits.argmax(-1) == task.y
    expected, by = None, done.fooled_by
    # On draws that nothing was chosen by; of others, the luckiest would be reported.
    if task.samples:
        right = 1 - np.asarray(task.rate(done.x_adv, REPORT).success)
        recomputed = right > 0.5
        by = np.where(recomputed, -1, by)
        after = done.shares[_last_legs(task)]
        expected = Expected(right, after, task.samples * number_of_turns(task.samples))
    else:
        again = jnp.asarray(task.predict(done.x_adv))
        recomputed = ~np.asarray(is_fooled(again, jnp.asarray(task.y)))
    rows = _rows(task, done._replace(fooled_by=by), correct, logits.shape[1])
    return WorstCase(done.x_adv, correct, names[by + 1], rows, recomputed, done.broken, expected)


def _work(
    given: tuple[LogitsFn, Array, ArrayLike, KeyLike],
    eps: float,
    norm: Norm,
    members: tuple[Member, ...],
    batch_size: int,
    devices: parallel.Devices,
) -> EnsembleWork:
    """Return the work on model, images, labels and keys.

    All that can be refused without the model is, before it is compiled.
    """
    shape = given[1].shape
    check_radius(eps, norm, shape[1:])
    for member in members:
        member.check_shape(shape)
        check_step(member.step_size or 0.0, eps, norm, shape[1:])
    read = read_inputs(*given, members[0].samples)
    model = read.logits_fn
    if isinstance(model, Partial):  # every device computes with all weights, wherever parts lie
        model = parallel.gathered(model)
    arrays = np.asarray(given[1]), np.asarray(read.y), usual_keys(read.keys)
    return EnsembleWork(model, *arrays, float(eps), norm, members, batch_size, devices)


def _pinned(task: EnsembleWork) -> EnsembleWork:
    """Return work whose model is found by what it computes, see `pin`."""
    batch = task.x[: task.batch_size]
    model = pin(task.logits_fn, batch, task.keys[: len(batch)], task.members[0].samples)
    refuse_trace("worst_case", model)  # what a closure holds shows here
    return task._replace(logits_fn=model)


def _last_legs(task: EnsembleWork) -> list[int]:
    """Return the number of the last leg of every attack."""
    owners = [leg.member for leg in task.legs()]
    return [len(owners) - 1 - owners[::-1].index(index) for index in range(len(task.members))]


def _check_settings(members: Sequence[Member], batch_size: int, folder: Path | None) -> None:
    check_count(batch_size, 1, "batch_size")
    if not all(isinstance(member, Member) for member in members):
        raise InputError(f"members={members!r}: expected instances of rtickets.attacks.Member")
    if len({member.samples > 0 for member in members}) != 1:
        raise InputError(
            f"members={members}: expected one or more; all or none may have samples, for a model "
            "that is random or not"
        )
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder} is not a folder; create it first")


def _rows(
    task: EnsembleWork, done: Progress, correct: np.ndarray, num_classes: int
) -> tuple[Row, ...]:
    """Sum the legs of every attack up."""
    rows, left = [], len(correct) if task.samples else int(correct.sum())
    last = _last_legs(task)
    for index, member in enumerate(task.members):
        legs = [leg for leg, (owner, *_) in enumerate(task.legs()) if owner == index]
        fooled = int(np.isin(done.fooled_by, legs).sum())
        share = (left - fooled) / len(correct)
        if task.samples:
            share = float(done.shares[last[index]].mean())
        spent = sum(done.evaluations[leg] for leg in legs)
        seconds = sum(done.seconds[leg] for leg in legs)
        note = member.why_margin(num_classes) or ""
        rows.append(Row(member.kind, left, fooled, share, spent, seconds, note))
        left -= 0 if task.samples else fooled  # all images of a random model stay
    return tuple(rows)
