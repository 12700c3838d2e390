"""Attacks as searches in which every example goes at its own pace.

A `Search` says how an attack starts and what it does with one evaluation of the model. Its state is
a NamedTuple of arrays with a leading axis of examples, and no example looks at another. So a search
can run whole (`run`), or its examples can be exchanged for others as soon as they are decided, in
arrays of constant shape (`rtickets.attacks.ensemble.queue`).
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import Partial

from rtickets.attacks.broken import only_finite
from rtickets.attacks.losses import Loss
from rtickets.attacks.models import LogitsFn as LogitsFn
from rtickets.attacks.models import answers
from rtickets.errors import InputError
from rtickets.platform.hoisting import compiled

_MOST_UNROLLED = 32  # turns of a loop; more would take too long to compile


class Job(NamedTuple):
    """What is attacked.

    Attributes:
        x: float32 images (B, H, W, C) in [0, 1].
        y: int32 labels (B,).
        target: int32 classes aimed at (B,); the label itself where there is no target.
        key: typed PRNG keys (B,).
        eps: float32 radii (B,).
        step_size: float32 lengths of a step (B,), for attacks that do not choose their own.
        random_start: bool (B,), for attacks that start at random points in some of their runs only;
            None is False.
    """

    x: Array
    y: Array
    target: Array
    key: Array
    eps: Array
    step_size: Array | None = None
    random_start: Array | None = None


class Search(Protocol):
    """An attack; a frozen dataclass whose fields are its settings.

    Its states have the fields `x_adv`, the best images so far inside the ball and [0, 1], `fooled`
    (B,), whether they are misclassified, and `broken` (B,), whether a gradient was not finite.
    """

    def __hash__(self) -> int:
        """Return the same for equal settings, which share a compiled program."""
        ...

    @property
    def evaluations(self) -> int:
        """Number of evaluations of the model that an example takes."""
        ...

    def start(self, job: Job) -> Any:
        """Return the state before the first evaluation."""
        ...

    def step(self, logits_fn: LogitsFn, job: Job, state: Any, count: Array) -> Any:
        """Evaluate the model once, after `count` (B,) evaluations, and return the next state."""
        ...


def begin_search(search: Search, job: Job) -> Any:
    """Return a search's state before the first evaluation, without weak types.

    These are lost in the first step, for which they would be a compilation of their own.
    """
    return jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), search.start(job))


def advance(
    search: Search, logits_fn: LogitsFn, job: Job, state: Any, count: Array
) -> tuple[Any, Array]:
    """Take one step with every example whose count (B,) of evaluations is not used up."""
    running = count < search.evaluations
    moved = search.step(logits_fn, job, state, count)
    return choose(running, moved, state), count + running


def choose(condition: Array, yes: Any, no: Any) -> Any:
    """Select per example between two pytrees of arrays (B, ...) by a condition (B,)."""

    def pick(a: Array, b: Array) -> Array:
        return jnp.where(condition.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(pick, yes, no)


def run(search: Search, logits_fn: LogitsFn, job: Job, *, unroll: bool | None = None) -> Any:
    """Run an attack to its end and return the last state.

    Args:
        unroll: unroll the loop where the call is itself being compiled. None means on CPU only,
            where XLA runs convolutions in loops slowly, and up to 32 evaluations. Outside of a
            compiled function the steps are dispatched one by one on CPU and in one loop elsewhere.
    """
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((job, logits_fn)))
    count = jnp.zeros(job.y.shape, jnp.int32)
    if traced:

        def body(index: Array | int, state: Any) -> Any:
            return search.step(logits_fn, job, state, count + index)

        return repeat(body, search.evaluations, begin_search(search, job), unroll=unroll)
    function, arguments = split_model(logits_fn)
    state = jax.jit(begin_search, static_argnums=0)(search, job)
    dispatches = search.evaluations if jax.default_backend() == "cpu" else 1
    for _ in range(dispatches):
        state, count = _compiled(search, function, search.evaluations // dispatches)(
            arguments, job, state, count
        )
    return state


def repeat(
    body: Callable[[Array | int, Any], Any], times: int, state: Any, *, unroll: bool | None = None
) -> Any:
    """Apply (index, state) -> state with convolutions several times, inside a compiled function.

    `unroll` None unrolls the loop on CPU only, and up to 32 times.
    """
    if unroll is None:
        unroll = jax.default_backend() == "cpu" and times <= _MOST_UNROLLED
    if not unroll:
        return jax.lax.fori_loop(0, times, body, state)
    for index in range(times):  # in Python: `fori_loop(unroll=True)` can leave a loop behind
        state = body(index, state)
    return state


def split_model(logits_fn: LogitsFn) -> tuple[Callable[..., Array], Any]:
    """Return the function of a model and the pytree of data that it is applied to."""
    if isinstance(logits_fn, Partial):
        return logits_fn.func, (logits_fn.args, logits_fn.keywords)
    return logits_fn, ((), {})


def join_model(function: Callable[..., Array], arguments: Any) -> LogitsFn:
    """Undo `split_model`."""
    args, keywords = arguments
    return partial(function, *args, **keywords)


@lru_cache(maxsize=16)
def _compiled(search: Search, function: Callable[..., Array], steps: int) -> Any:
    def steps_of(arguments: Any, job: Job, state: Any, count: Array) -> tuple[Any, Array]:
        logits_fn = join_model(function, arguments)
        if steps == 1:
            return advance(search, logits_fn, job, state, count)

        def body(_: Array, carry: tuple[Any, Array]) -> tuple[Any, Array]:
            return advance(search, logits_fn, job, *carry)

        return jax.lax.fori_loop(0, steps, body, (state, count))

    return compiled(steps_of)


class Evaluation(NamedTuple):
    """What one evaluation of the model tells.

    Attributes:
        loss: float32 (B,).
        gradient: float32 images (B, H, W, C), of the loss; not finite entries are 0.
        fooled: bool (B,), misclassified or with logits that are NaN; where a target is to be
            reached, taken for it.
        broken: bool (B,), whether entries of the gradient were not finite.
    """

    loss: Array
    gradient: Array
    fooled: Array
    broken: Array


def is_fooled(logits: Array, y: Array) -> Array:
    """Return where the largest logit is not the label's, or logits are NaN, (B,)."""
    return (logits.argmax(-1) != y) | jnp.isnan(logits).any(-1)


def is_reached(logits: Array, target: Array) -> Array:
    """Return where the largest logit is the target's and none is NaN, (B,)."""
    return (logits.argmax(-1) == target) & ~jnp.isnan(logits).any(-1)


def call_model(logits_fn: LogitsFn, x: Array, key: Array, samples: int) -> Array:
    """Return float32 logits (max(samples, 1), B, classes), of a random model for every sample.

    Args:
        key: keys (B,).
        samples: number of draws of a random model, 0 for a model that takes no key.
    """
    if not samples:
        return answers(logits_fn, x)[None]
    keys = jax.vmap(partial(jax.random.split, num=samples), out_axes=1)(key)  # (samples, B)
    stacked = jnp.tile(x, (samples, *[1] * (x.ndim - 1)))
    logits = answers(logits_fn, stacked, keys.reshape(-1))
    return logits.reshape(samples, len(x), -1)


def differentiated(gradient: Callable[[], Any], function: Callable[..., Any], x: Array) -> Any:
    """Return what `gradient` does, and refuse a function (x,) that has none but runs without."""
    try:
        return gradient()
    except InputError:
        raise
    except (ValueError, TypeError, NotImplementedError) as error:
        jax.eval_shape(function, x)  # the model's own error is raised here
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"the model has no gradient ({first}): attack it with 'square' alone, or give it a "
            "derivative, as of jax.custom_vjp"
        ) from error


def evaluate(
    logits_fn: LogitsFn,
    loss: Loss,
    job: Job,
    x: Array,
    key: Array,
    samples: int = 0,
    *,
    reach: bool = False,
) -> Evaluation:
    """Evaluate the loss, its gradient and the decision at some images.

    The loss is summed over examples, so that no example scales another's gradient. For a random
    model loss and decision are those of the mean over samples (expectation over transformation,
    Athalye et al. 2018).

    Args:
        job: labels and targets.
        x: images where the model is evaluated.
        key: keys (B,) of this evaluation, for a random model.
        reach: count images as fooled where the model answers the target, instead of where it errs.
    """

    def total(x: Array) -> tuple[Array, tuple[Array, Array]]:
        logits = call_model(logits_fn, x, key, samples)
        losses = jax.vmap(loss, (0, None, None))(logits, job.y, job.target).mean(0)  # (B,)
        mean = logits.mean(0)
        fooled = is_reached(mean, job.target) if reach else is_fooled(mean, job.y)
        return losses.sum(), (losses, fooled)

    gradient, (losses, fooled) = differentiated(partial(jax.grad(total, has_aux=True), x), total, x)
    gradient, broken = only_finite(gradient)
    return Evaluation(losses, gradient, fooled, broken)
