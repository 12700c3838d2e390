"""One right class out of several, whatever it is that belongs to it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset, Metric
from rtickets.data.checks import Classes
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT
from rtickets.tasks import accuracy, class_order
from rtickets.tasks.accuracy import is_correct
from rtickets.tasks.arrays import ArrayTask
from rtickets.tasks.base import Batch, Headline, Measured, Reduce, Sums, alone


@dataclass(frozen=True, config=STRICT)
class Labelled(Classes, ArrayTask):
    """The network answers logits over classes; batches hold `label`, int32 (B,), and its inputs.

    Attributes:
        metric: the headline: 'accuracy' over all examples, or 'balanced', its mean over classes.
        label_smoothing: part of the target that is spread evenly over all classes (Szegedy et al.
            2016, section 7).
    """

    has_classes: ClassVar[bool] = True
    has_divergence: ClassVar[bool] = True
    answers: ClassVar[str] = "classes"
    beside_head: ClassVar[frozenset[str]] = frozenset({"metric", "label_smoothing"})
    metric: Metric = "accuracy"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def headline(self) -> Headline:
        """The metric."""
        words = "balanced accuracy" if self.metric == "balanced" else ""
        return Headline(self.metric, "share", words=words)

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"class_names": list(dataset.class_names)}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of classes; a backbone that was imported has none yet."""
        if not about["class_names"]:
            raise InputError(
                "the ticket is a backbone without a head, so it tells no classes apart: transfer "
                "it to a task first; draws by magnitude or at random need no head"
            )
        return len(about["class_names"])

    def aligned(self, about: Mapping[str, Any], dataset: Dataset) -> Dataset | None:
        """Return the data set, its classes in the head's order, or None if it has others."""
        return class_order.in_order_of(about["class_names"], dataset)

    def matched(self, about: Mapping[str, Any], dataset: Dataset) -> Dataset:
        """Return the data set, its classes in the head's order, see `class_order.matched`."""
        return class_order.matched(about["class_names"], dataset)

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return the cross-entropy."""
        del reduce
        return cross_entropy(outputs, batch["label"], self.label_smoothing)

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return how many answers are right, for the balanced metric by class too."""
        labels = batch["label"]
        correct = is_correct(outputs, labels)
        found = {"correct": correct.sum(), "examples": jnp.int32(labels.size)}
        if self.metric == "balanced":
            nobody = jnp.zeros(outputs.shape[-1], jnp.int32)
            found["correct_by_class"] = nobody.at[labels].add(correct.astype(jnp.int32))
            found["examples_by_class"] = nobody.at[labels].add(1)
        return found

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return the accuracy, and the balanced one where it is the metric."""
        found = {"accuracy": accuracy.share(int(sums["correct"]), int(sums["examples"]))}
        if self.metric == "balanced":
            by_class = (np.asarray(sums[f"{each}_by_class"]) for each in ("correct", "examples"))
            found["balanced"] = accuracy.balanced_of(*by_class)
        return {name: each.measured() for name, each in found.items()}

    def fooled(self, outputs: Array, batch: Batch) -> Array:
        """Return where the class is another one, or none."""
        return ~is_correct(outputs, batch["label"])

    def labels(self, batch: Batch) -> Array:
        """Return the classes."""
        return jnp.asarray(batch["label"])

    def judged(self, right: Any, batch: Batch) -> Measured:
        """Return the metric."""
        return accuracy.measure(self.metric, right, np.asarray(batch["label"])).measured()

    def example_weights(self, batch: Batch) -> np.ndarray | None:
        """Return what makes every class count alike under the balanced metric."""
        if self.metric != "balanced":
            return None
        _, classes, counts = np.unique(batch["label"], return_inverse=True, return_counts=True)
        return 1 / (len(counts) * counts[classes])

    def chance(self, batch: Batch) -> float:
        """Return the share of the largest class, or of one class of the balanced metric."""
        _, counts = np.unique(batch["label"], return_counts=True)
        return 1 / len(counts) if self.metric == "balanced" else float(counts.max() / counts.sum())

    def divergence(self, outputs: Array, reference: Array) -> Array:
        """Return KL(reference || outputs)."""
        return kl_divergence(outputs, reference)

    def smoothed(self, amount: float) -> "Labelled":
        """Return the task with another label smoothing."""
        return replace(self, label_smoothing=amount)


def cross_entropy(logits: Array, labels: Array, smoothing: float = 0.0) -> Array:
    """Return the cross-entropy of every example, float32 (B,).

    `smoothing` is the part of the target that is spread evenly over all classes.
    """
    if not smoothing:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits, targets)


def kl_divergence(logits: Array, reference: Array) -> Array:
    """Return KL(reference || prediction) of every example from logits, float32 (B,), in nats."""
    log_p = jax.nn.log_softmax(reference)
    return jnp.sum(jnp.exp(log_p) * (log_p - jax.nn.log_softmax(logits)), -1)
