"""Adversarial training of encoders of text in the space of their embeddings.

Tokens are numbers, which no small step changes; what a network makes of them first is a point that
can be moved. The move is found by gradient ascent from a point in the ball and trained on, as
PGD's pixels are; the network takes it as the input `shift`, (B, L, hidden), see
`rtickets.models.bert`. Padding is not moved.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.attacks.broken import only_finite
from rtickets.attacks.search import repeat
from rtickets.attacks.settings import IMAGE_GRADIENT
from rtickets.errors import InputError
from rtickets.models.bert import PART, SHIFT, TOKENS
from rtickets.settings.kinds import STRICT, NotNegative, Positive
from rtickets.tasks import Batch, Task
from rtickets.tasks.base import Reduce, alone
from rtickets.tasks.search import OutputsFn
from rtickets.training.objectives.base import Objective, Perturbed
from rtickets.training.objectives.settings import ObjectiveConfig

_TINY = 1e-12  # squares of lengths below are those of nothing


def in_ball(shift: Array, eps: float) -> Array:
    """Return moves (B, L, hidden) brought into the L2 ball, each row's as one vector."""
    return shift * jnp.minimum(1.0, eps / length_of(shift))


def length_of(shift: Array) -> Array:
    """Return the L2 lengths of the moves of rows, (B, 1, 1)."""
    return jnp.sqrt(jnp.maximum((shift * shift).sum((1, 2), keepdims=True), _TINY))


def moved_embeddings(
    task: Task, features: int, *, eps: float, step_size: float, num_steps: int, random_start: bool
) -> Objective:
    """Return the task's loss where embeddings are moved to raise it.

    Args:
        task: the task.
        features: of an embedding, `hidden` of the network.
        eps: radius of the L2 ball around the embeddings of a row, all its tokens together; texts
            that are packed into one share it.
        step_size: length of a step.
        num_steps: steps of ascent.
        random_start: begin at a random point of the ball, not in its centre.

    Raises:
        InputError: for a task that is not about tokens.
    """
    if task.input != TOKENS:
        raise InputError(
            f"objective.name='embeddings' moves the embeddings of {TOKENS}, and "
            f"{type(task).__name__} is about {', '.join(task.inputs)}; choose 'pgd'"
        )

    def perturb(outputs_fn: OutputsFn, batch: Batch, keys: Array) -> Perturbed:
        tokens, there = batch[TOKENS], (batch[PART] > 0)[..., None]
        shape = (*tokens.shape, features)

        def total(shift: Array) -> Array:
            outputs = outputs_fn({TOKENS: tokens, SHIFT: shift})  # type: ignore[arg-type]
            return task.loss(jax.tree.map(lambda o: o.astype(jnp.float32), outputs), batch).sum()

        def body(index: Any, state: tuple[Array, Array]) -> tuple[Array, Array]:
            del index
            shift, broken = state
            slope, odd = only_finite(jax.grad(total)(shift))
            step = step_size * slope / length_of(slope)
            return in_ball(shift + step, eps), broken | odd

        start = jnp.zeros(shape, jnp.float32)
        if random_start:
            start = jax.vmap(partial(_uniform, features=features, eps=eps))(keys, there)
        state = start, jnp.zeros(len(tokens), bool)
        shift, broken = repeat(body, num_steps, state, unroll=False)
        shift = jax.lax.stop_gradient(shift)
        return Perturbed({TOKENS: tokens, SHIFT: shift}, broken)  # type: ignore[arg-type]

    def loss(
        train_fn: Any, batch: Batch, moved: Any, reduce: Reduce = alone
    ) -> tuple[Array, Any, Any]:
        outputs, stats = train_fn(moved)
        return task.loss(outputs, batch, reduce), outputs, stats

    return Objective(perturb, loss)


def _uniform(key: Array, there: Array, features: int, eps: float) -> Array:
    """Return a point of the ball of the tokens that are there, (L, 1), all alike likely."""
    direction, radius = jax.random.split(key)
    drawn = jax.random.normal(direction, (len(there), features)) * there
    far = jax.random.uniform(radius) ** (1 / (features * jnp.maximum(there.sum(), 1)))
    return eps * far * drawn / jnp.sqrt(jnp.maximum((drawn * drawn).sum(), _TINY))


@dataclass(frozen=True, config=STRICT)
class Embeddings(ObjectiveConfig):
    """The loss where the embeddings of texts are moved to raise it, in an L2 ball.

    Attributes:
        features: of an embedding: `model.encoder.hidden`.
        eps: radius of the ball around the embeddings of a row, all its tokens together; texts that
            are packed into one share it.
        step_size: length of a step; None is 1.5 times the radius over the number of steps.
        num_steps: steps of ascent, along the gradient.
        random_start: begin at a random point of the ball, not in its centre.
    """

    name: Literal["embeddings"] = "embeddings"
    features: Positive = 768
    eps: NotNegative = 0.5
    step_size: NotNegative | None = None
    num_steps: Positive = 2
    random_start: bool = True

    @property
    def search_passes(self) -> float:
        """A gradient to the embeddings at every step."""
        return IMAGE_GRADIENT * self.num_steps

    def make(self, task: Task) -> Objective:
        """Return `moved_embeddings`."""
        step = 1.5 * self.eps / self.num_steps if self.step_size is None else self.step_size
        return moved_embeddings(
            task, self.features, eps=self.eps, step_size=step, num_steps=self.num_steps,
            random_start=self.random_start,
        )  # fmt: skip

    def problems(self) -> Iterator[str]:
        """Yield what does not go together."""
        if not self.eps and self.step_size:
            yield f"eps=0 allows no step, but step_size={self.step_size}; leave it out"
