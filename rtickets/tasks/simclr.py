"""SimCLR (Chen et al. 2020): the other view of an image is told from all views of the batch.

The normalised temperature-scaled cross-entropy NT-Xent: of 2B views of B images, each is asked
which of the 2B - 1 others is of the same image, by cosine similarities over a temperature.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT
from rtickets.tasks.base import Batch, Reduce, alone
from rtickets.tasks.contrastive import OTHER, Contrastive, two_views, unit


@dataclass(frozen=True, config=STRICT)
class SimClr(Contrastive):
    """Two views of every image, compared with those of the whole batch, over all devices.

    The network sees both at once, so that statistics of the batch are of both, and answers 2b
    projections: those of `image` before those of `OTHER`. An objective that attacks changes
    `image` alone.

    Attributes:
        loss_form: 'mean_of_logs' is NT-Xent as published. 'log_of_mean' is the negative logarithm
            of the mean probability of the right view, as the tickets of Chen et al. 2021 were
            trained: confident pairs then count most.
    """

    work: ClassVar[float] = 2.0  # both views
    beside_head: ClassVar[frozenset[str]] = Contrastive.beside_head | {"loss_form"}
    name: Literal["simclr"] = "simclr"
    loss_form: Literal["mean_of_logs", "log_of_mean"] = "mean_of_logs"

    def conflicts(self, train: Any) -> Iterator[str]:
        """Yield that the batch would not be whole."""
        yield from super().conflicts(train)
        if train.accumulate > 1:
            yield (
                f"accumulate={train.accumulate} splits the batch, all of which the loss of the "
                "task 'simclr' compares: set it to 1 and take a smaller batch_size, more devices, "
                "or the task 'moco'"
            )

    def seen(self, batch: Batch, changed: Array) -> Array:
        """Return both views, or the image alone in evaluation."""
        return jnp.concatenate([changed, batch[OTHER]]) if OTHER in batch else changed

    def compared(self, outputs: Array, batch: Batch) -> tuple[Array, Array]:
        """Return the projections of the two views."""
        count = len(batch[self.input])
        return outputs[:count], outputs[count:]

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return NT-Xent, the mean over both views of an image."""
        two_views(self.name, batch)
        found = log_probabilities(*self.compared(outputs, batch), self.temperature, reduce)
        if self.loss_form == "mean_of_logs":
            return -found.mean(0)
        every = reduce.join(found.T)
        whole = jnp.log(every.size) - jax.nn.logsumexp(every)
        return jnp.broadcast_to(whole, found.shape[1:])


def log_probabilities(
    one: Array, other: Array, temperature: float, reduce: Reduce = alone
) -> Array:
    """Return the log-probability of the right view, of either view of this device's images.

    Args:
        one: projections of first views (b, D).
        other: of second views.
        temperature: what cosine similarities are divided by.
        reduce: the whole batch, of B images.

    Returns:
        float32 (2, b), of the first views and of the second, at most 0.
    """
    one, other = unit(one), unit(other)
    every = reduce.join(one), reduce.join(other)
    places = reduce.places(len(one))
    itself = jnp.arange(len(every[0])) == places[:, None]

    def of(views: Array, alike: Array, right: Array) -> Array:
        among = jnp.where(itself, -jnp.inf, _similarity(views, alike) / temperature)
        across = _similarity(views, right) / temperature
        chosen = jnp.take_along_axis(across, places[:, None], 1)[:, 0]
        return chosen - jax.nn.logsumexp(jnp.concatenate([among, across], 1), 1)

    return jnp.stack([of(one, every[0], every[1]), of(other, every[1], every[0])])


def _similarity(views: Array, others: Array) -> Array:
    # in full precision: differences are divided by the temperature
    return jnp.einsum("id,jd->ij", views, others, precision=jax.lax.Precision.HIGHEST)
