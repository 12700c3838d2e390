"""MART: adversarial training that minds the images that are misclassified without an attack."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.attacks import Norm
from rtickets.attacks.losses import LossName
from rtickets.attacks.pgd import Rule
from rtickets.settings.kinds import STRICT, NotNegative
from rtickets.tasks import Batch, Task
from rtickets.tasks.base import Reduce, alone
from rtickets.tasks.labelled import cross_entropy, kl_divergence
from rtickets.training.objectives.base import (
    CLASSIFICATION,
    Objective,
    TrainFn,
    clean_and_perturbed,
    refusal,
    searched,
)
from rtickets.training.objectives.pgd import pgd_inner
from rtickets.training.objectives.settings import Searched


def mart(
    task: Task = CLASSIFICATION,
    *,
    eps: float,
    step_size: float,
    num_steps: int,
    norm: Norm = "linf",
    random_start: bool = True,
    loss: LossName = "ce",
    rule: Rule = "steepest",
    best: bool = False,
    beta: float = 5.0,
) -> Objective:
    """Return the MART loss on PGD examples (Wang et al. 2020, algorithm 1).

    It is the boosted cross-entropy of the perturbed images plus `beta`, lambda in the paper, times
    KL(clean || perturbed) times 1 - p(label | clean), all of it differentiated. Statistics and
    logits are as in `trades`, the inner maximisation as in `adversarial`.

    Raises:
        InputError: for a task without classes, and as `adversarial`.
    """
    if not task.has_classes:
        raise refusal("mart", "compares probabilities of classes", task)
    inner = pgd_inner(
        task, eps, step_size, norm=norm, num_steps=num_steps, random_start=random_start, loss=loss,
        rule=rule, best=best,
    )  # fmt: skip

    def mart_loss(
        train_fn: TrainFn, batch: Batch, perturbed: Array, reduce: Reduce = alone
    ) -> tuple[Array, Any, Any]:
        labels = task.labels(batch)
        assert labels is not None  # it has classes
        clean, logits, stats = clean_and_perturbed(train_fn, batch[task.input], perturbed)
        boosted = task.loss(logits, batch, reduce) + rival_loss(logits, labels)
        unsure = -jnp.expm1(-cross_entropy(clean, labels))  # 1 - p(label | clean)
        return boosted + beta * kl_divergence(logits, clean) * unsure, logits, stats

    return Objective(searched(inner), mart_loss, inner)


def rival_loss(logits: Array, labels: Array) -> Array:
    """Return -log(1 - p(k)) for the likeliest class k that is not the label (Wang et al. 2020).

    It is finite where p(k) rounds to 1.
    """
    classes = jnp.arange(logits.shape[-1])
    rival = jnp.where(classes == labels[:, None], -jnp.inf, logits).argmax(-1)
    others = jnp.where(classes == rival[:, None], -jnp.inf, logits)
    return jax.nn.logsumexp(logits, -1) - jax.nn.logsumexp(others, -1)


@dataclass(frozen=True, config=STRICT)
class Mart(Searched):
    """A boosted loss, and a divergence that counts where the clean image is misclassified.

    Attributes:
        beta: weight of the divergence (Wang et al. 2020).
    """

    name: Literal["mart"] = "mart"
    beta: NotNegative = 5.0
    loss_passes = 2  # clean and adversarial images

    def make(self, task: Task) -> Objective:
        """Return `mart`."""
        return mart(task, **self.attack.as_pgd(), beta=self.beta)
