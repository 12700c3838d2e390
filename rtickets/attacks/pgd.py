"""Projected gradient descent (Madry et al. 2018)."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from rtickets.attacks.broken import warn_of_broken
from rtickets.attacks.expectation import evaluate_against, worst
from rtickets.attacks.identity import pin
from rtickets.attacks.inputs import (
    Inputs,
    KeyLike,
    as_classes,
    check_labels,
    clean_logits,
    in_trace,
    is_traced,
    read_inputs,
    restart_keys,
)
from rtickets.attacks.losses import LossName, make_loss
from rtickets.attacks.projections import (
    Norm,
    check_norm,
    climb,
    per_example,
    project,
    uniform_in_ball,
)
from rtickets.attacks.radii import check_count, check_radius, check_step
from rtickets.attacks.search import Evaluation, Job, LogitsFn, call_model, choose, evaluate, run
from rtickets.attacks.stale_jit import check_plain
from rtickets.errors import InputError

Rule = Literal["steepest", "adam"]
_ADAM_MEAN, _ADAM_SQUARE, _ADAM_TINY = 0.9, 0.999, 1e-8  # Kingma & Ba 2015


class PgdState(NamedTuple):
    """Where a search is; every field has a leading axis of examples.

    Attributes:
        x_adv: the image moved last; with `best` the worst one that was evaluated.
        fooled: with `best`, whether `x_adv` is misclassified, or taken for its target.
        best_loss: with `best`, the loss of `x_adv`.
        x: the image that is evaluated next.
        mean: Adam's running mean of the gradients, or None.
        square: Adam's running mean of their squares, or None.
        broken: whether a gradient had entries that were not finite.
    """

    x_adv: Array
    fooled: Array
    best_loss: Array
    x: Array
    mean: Array | None
    square: Array | None
    broken: Array


@dataclass(frozen=True)
class Pgd:
    """The search; its fields are those of `pgd`, and what is not there.

    Attributes:
        targeted: whether jobs have targets.
        best: evaluate the last image too and return the worst, instead of the last.
        samples: draws of a random model per evaluation, 0 for one that takes no key.
        reach: succeed where the model answers the target, instead of wherever it errs.
    """

    norm: Norm
    num_steps: int
    random_start: bool = True
    loss: LossName = "ce"
    targeted: bool = False
    rule: Rule = "steepest"
    best: bool = False
    samples: int = 0
    reach: bool = False

    @property
    def evaluations(self) -> int:
        """One per step, and with `best` one for the last image."""
        return self.num_steps + self.best

    def start(self, job: Job) -> PgdState:
        """Return the state at the image or at a uniform point of the ball."""
        x = job.x
        if self.random_start:
            noise = uniform_in_ball(job.key, x.shape[1:], job.eps, self.norm)
            x = project(x + noise, x, job.eps, self.norm)
        zero = jnp.zeros_like(x) if self.rule == "adam" else None
        nowhere, no = jnp.full(job.y.shape, -jnp.inf, jnp.float32), jnp.zeros(job.y.shape, bool)
        return PgdState(x, no, nowhere, x, zero, zero, no)

    def step(self, logits_fn: LogitsFn, job: Job, state: PgdState, count: Array) -> PgdState:
        """Evaluate the current image and move on."""
        key = jax.vmap(jax.random.fold_in)(job.key, count) if self.samples else job.key
        if not self.best:
            found = evaluate(logits_fn, self.measure, job, state.x, key, self.samples)
            return self.move(job, state, found, count)
        best = state.x_adv, state.best_loss
        found, best_loss = evaluate_against(
            logits_fn, self.measure, job, state.x, best, key, self.samples, reach=self.reach
        )
        return self.move(job, state._replace(best_loss=best_loss), found, count)

    def measure(self, logits: Array, y: Array, target: Array, count: Any = 0) -> Array:
        """Return what is maximised, (B,), the same at every evaluation."""
        del count
        return make_loss(self.loss, logits.shape[-1], targeted=self.targeted)(logits, y, target)

    def move(self, job: Job, state: PgdState, found: Evaluation, count: Array) -> PgdState:
        """Move on from the current image once it is evaluated."""
        step_size = jnp.float32(0) if job.step_size is None else job.step_size
        state = state._replace(broken=state.broken | found.broken)
        if self.best:
            better = _is_worse(found.fooled, found.loss, state.fooled, state.best_loss)
            state = state._replace(
                x_adv=choose(better, state.x, state.x_adv),
                fooled=state.fooled | found.fooled,
                best_loss=jnp.where(better, found.loss, state.best_loss),
            )
        if self.rule == "adam":
            state, move = _adam(state, found.gradient, count)
            x = state.x + per_example(step_size, state.x) * move
            x = project(x, job.x, job.eps, self.norm)
        else:
            x = climb(state.x, found.gradient, step_size, job.x, job.eps, self.norm)
        return state._replace(x=x) if self.best else state._replace(x=x, x_adv=x)


def _is_worse(fooled: Array, loss: Array, old_fooled: Array, old_loss: Array) -> Array:
    """Return where a point beats an old one: it fools the model, or has more loss."""
    return (fooled & ~old_fooled) | ((fooled == old_fooled) & (loss > old_loss))


def _adam(state: PgdState, gradient: Array, count: Array) -> tuple[PgdState, Array]:
    """Return the state with new running means, and the direction of Adam's step."""
    time = per_example((count + 1).astype(jnp.float32), gradient)
    assert state.mean is not None  # both are there with this rule
    assert state.square is not None
    mean = _ADAM_MEAN * state.mean + (1 - _ADAM_MEAN) * gradient
    square = _ADAM_SQUARE * state.square + (1 - _ADAM_SQUARE) * gradient**2
    unbiased = mean / (1 - _ADAM_MEAN**time)
    scale = jnp.sqrt(square / (1 - _ADAM_SQUARE**time))
    return state._replace(mean=mean, square=square), unbiased / (scale + _ADAM_TINY)


def pgd(
    logits_fn: LogitsFn,
    x: ArrayLike,
    y: ArrayLike,
    key: KeyLike,
    *,
    eps: Array | float,
    step_size: Array | float,
    num_steps: int,
    norm: Norm = "linf",
    random_start: bool = True,
    loss: LossName = "ce",
    target: ArrayLike | None = None,
    rule: Rule = "steepest",
    best: bool = False,
    restarts: int = 1,
    samples: int = 0,
    unroll: bool | None = None,
) -> Array:
    """Search the ball around every image for the largest loss.

    Gradients are taken with respect to the images only and summed over examples, so that an
    example's result depends neither on the rest of its batch nor on how the batch is split. For
    logits_fn, x, y, key, eps and norm see the head of `rtickets.attacks`.

    Args:
        step_size: length of a step in the same units as eps, scalar or (B,).
        num_steps: number of gradient steps.
        random_start: start from a uniform point of the ball instead of the image.
        loss: what is maximised, 'ce', 'margin' or 'dlr'; the margin stands in for 'dlr' where there
            are too few classes (`rtickets.attacks.losses.why_margin`).
        target: integer classes to make the model answer (B,), or None to make it err. An image
            whose label is its target has nothing to be led away from: it is returned as it is.
        rule: 'steepest' ascent in the norm, or 'adam'.
        best: return the worst image of all that were visited, instead of the last; costs one more
            evaluation. An image that fools the model is worse than any that does not; with targets
            it has to be taken for the target.
        restarts: number of searches from random points; the worst result is returned, per example,
            in the sense of `best`.
        samples: number of draws of a random model that gradients and losses are averaged over
            (expectation over transformation); `logits_fn` then takes keys (B,) too. `best` and
            `restarts` compare images on the same draws, see `rtickets.attacks.expectation`.
        unroll: unroll the loop. None means on CPU only, where XLA runs convolutions several times
            slower inside a loop; elsewhere a rolled loop compiles faster and runs as fast.

    Returns:
        float32 array like `x` in the ball and in [0, 1]; `x` itself for eps = 0.
    """
    _check_settings(num_steps, norm, loss, rule, restarts, random_start, samples)
    logits_fn, x, y, keys = read_inputs(logits_fn, x, y, key, samples)
    check_radius(eps, norm, x.shape[1:], batch=len(x))
    check_step(step_size, eps, norm, x.shape[1:], batch=len(x))
    goal = y if target is None else as_classes(target, len(x), "targets")
    logits_fn = pin(logits_fn, x, keys, samples)
    _check_classes(Inputs(logits_fn, x, y, keys), goal, samples)
    # One radius per example, whatever was given, so that programs differ by shapes alone.
    radius, step = (
        jnp.broadcast_to(jnp.asarray(each, jnp.float32), y.shape) for each in (eps, step_size)
    )
    job = Job(x, y, goal, keys, radius, step)
    aims, best = target is not None, best or restarts > 1
    search = Pgd(norm, num_steps, random_start, loss, aims, rule, best, samples, reach=aims)
    state = run(search, logits_fn, job, unroll=unroll)
    images = [state.x_adv]
    for restart in range(1, restarts):
        # Only the keys are others, so that all restarts run one compiled program.
        moved = job._replace(key=restart_keys(keys, restart))
        again = run(search, logits_fn, moved, unroll=unroll)
        worse = _is_worse(again.fooled, again.best_loss, state.fooled, state.best_loss)
        broken = state.broken | again.broken
        state = choose(worse, again, state)._replace(broken=broken)
        # Every run of a random model draws anew: images are compared below, on the same draws.
        images += [again.x_adv] if samples else []
    warn_of_broken(state.broken)
    x_adv = worst(logits_fn, job, images, samples, reach=aims) if samples else state.x_adv
    x_adv = x_adv if target is None else choose(goal == y, x, x_adv)
    return jax.lax.stop_gradient(x_adv)


def _check_settings(
    num_steps: int,
    norm: str,
    loss: LossName,
    rule: str,
    restarts: int,
    random_start: bool,
    samples: int,
) -> None:
    check_norm(norm)
    make_loss(loss, 2)  # refuses an unknown name
    check_count(num_steps, 0, "num_steps")
    check_count(samples, 0, "samples")
    check_count(restarts, 1, "restarts")
    if rule not in get_args(Rule):
        raise InputError(f"rule={rule!r} is unknown; choose one of {', '.join(get_args(Rule))}")
    if restarts > 1 and not random_start:
        raise InputError(f"restarts={restarts} must be 1 without random_start")


def _check_classes(inputs: Inputs, target: Array, samples: int) -> None:
    """Check labels and targets against the model's answers where values are known."""
    if in_trace() or is_traced(inputs):
        if not is_traced(inputs.y) or not is_traced(target):
            model, x, _, keys = inputs
            shape = jax.eval_shape(lambda: call_model(model, x, keys, samples).mean(0))
            check_labels(shape, inputs.y)
            check_labels(shape, target, "target")
        return
    logits = clean_logits(inputs.logits_fn, inputs.x, inputs.keys, samples)
    check_labels(logits, inputs.y)
    check_plain(inputs.logits_fn, logits, inputs.x, inputs.keys, samples)
    check_labels(logits, target, "target")
