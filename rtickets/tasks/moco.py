"""MoCo v2 (Chen et al. 2020): one view is told from a queue of others, by a slowly moving encoder.

The network answers queries of `image`. A key encoder, whose weights are a running average of the
network's, makes keys of `OTHER`; they are the right answers to this batch's queries, and wrong ones
to those of batches to come, for which a queue keeps them. One mask is on both encoders: the average
starts from masked weights, and is masked at every step, so that a mask that is put on it later
holds for both as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass as plain
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array
from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets import masks
from rtickets.data.images.random_views import MOCO_V2, ViewsConfig
from rtickets.masks import Mask, Params
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks.base import Batch, Reduce, alone
from rtickets.tasks.contrastive import OTHER, Contrastive, Temperature, two_views, unit
from rtickets.tasks.memory import Forward

KEY, QUEUE = "key", "queue"  # what batches of a loss call them
KeyStatistics = Literal["batch", "shuffled"]


@dataclass(frozen=True, config=STRICT)
class Moco(Contrastive):
    """Queries of one view, keys of the other, and a queue of keys.

    The key encoder, its statistics and the queue are in `TrainState.carry`. An objective that
    attacks changes the queries' view alone.

    Attributes:
        queue: number of keys.
        momentum: what the key encoder keeps of itself at every step.
        key_statistics: keys are normalised by statistics of the 'batch', over all devices or their
            own part as the queries; or, with own parts, of parts that are 'shuffled' over devices,
            so that a query and its key are not told by the part they were in.
    """

    work: ClassVar[float] = 4 / 3  # a key has no backward pass
    beside_head: ClassVar[frozenset[str]] = Contrastive.beside_head | {
        "queue", "momentum", "key_statistics",
    }  # fmt: skip
    name: Literal["moco"] = "moco"
    views: ViewsConfig = field(default_factory=lambda: MOCO_V2)
    temperature: Temperature = 0.2
    queue: Positive = 65_536
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
    key_statistics: KeyStatistics = "batch"

    @property
    def memory(self) -> "KeyEncoder":
        """The key encoder and the queue."""
        return KeyEncoder(self.queue, self.projection, self.momentum, self.key_statistics)

    def conflicts(self, train: Any) -> Iterator[str]:
        """Yield that shuffling would change nothing."""
        yield from super().conflicts(train)
        if self.key_statistics == "shuffled" and train.sync_statistics:
            yield (
                "data.task.key_statistics='shuffled' is for statistics of every device's own part: "
                "set train.sync_statistics=False, or key_statistics='batch'"
            )

    def compared(self, outputs: Array, batch: Batch) -> tuple[Array, Array]:
        """Return the queries and their keys."""
        return outputs, batch[KEY]

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return InfoNCE: the cross-entropy of the right key among it and those of the queue."""
        del reduce
        two_views(self.name, batch)
        queries, right = unit(outputs), (unit(outputs) * unit(batch[KEY])).sum(-1, keepdims=True)
        highest = jax.lax.Precision.HIGHEST
        wrong = jnp.einsum("bd,kd->bk", queries, batch[QUEUE], precision=highest)
        logits = jnp.concatenate([right, wrong], 1) / self.temperature
        return jax.nn.logsumexp(logits, 1) - logits[:, 0]


@plain(frozen=True)
class KeyEncoder:
    """The memory of MoCo; attributes as of `Moco`, `width` that of keys.

    Its state is a dictionary: `weights` and `batch_stats` of the key encoder, `queue` (K, width) of
    unit keys from the oldest to the newest, and `step`. The first queue is random, as published.
    """

    length: int
    width: int
    momentum: float
    statistics: KeyStatistics

    def start(self, weights: Params, batch_stats: Any) -> dict[str, Any]:
        """Return the network as its key encoder, and a queue of random unit vectors."""
        queue = unit(jax.random.normal(jax.random.key(0), (self.length, self.width)))
        step = jnp.zeros((), jnp.int32)
        return {"weights": weights, "batch_stats": batch_stats, "queue": queue, "step": step}

    def set_back(self, held: Any, fresh: Any) -> dict[str, Any]:
        """Return the network as its key encoder, with the queue as it was."""
        return {**fresh, "queue": held["queue"], "step": held["step"]}

    def advance(self, held: Any, weights: Params, mask: Mask) -> dict[str, Any]:
        """Return the key encoder a little nearer to the network."""
        moved = jax.tree.map(
            lambda old, new: self.momentum * old + (1 - self.momentum) * new,
            held["weights"], weights,
        )  # fmt: skip
        return {**held, "weights": masks.apply(mask, moved), "step": held["step"] + 1}

    def recall(
        self, held: Any, forward: Forward, batch: Mapping[str, Any], reduce: Reduce
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the queue with this batch's keys, and the batch with its keys and the queue."""
        if self.statistics == "shuffled":
            keys, stats = self._shuffled(held, forward, batch[OTHER], reduce)
        else:
            keys, stats = forward(held["weights"], held["batch_stats"], batch[OTHER])
        keys = jax.lax.stop_gradient(unit(keys))
        devices = reduce(jnp.float32(1))
        stats = jax.tree.map(lambda leaf: leaf / devices, reduce(stats))
        queue = jnp.concatenate([held["queue"], reduce.join(keys)])[-self.length :]
        found = {**batch, KEY: keys, QUEUE: held["queue"]}
        return {**held, "batch_stats": stats, "queue": queue}, found

    def _shuffled(
        self, held: Any, forward: Forward, images: Array, reduce: Reduce
    ) -> tuple[Array, Any]:
        """Return keys of this device's images that were made beside those of other devices."""
        every, own = reduce.join(images), reduce.places(len(images))
        order = jax.random.permutation(
            jax.random.fold_in(jax.random.key(1), held["step"]), len(every)
        )
        keys, stats = forward(held["weights"], held["batch_stats"], every[order[own]])
        return reduce.join(keys)[jnp.argsort(order)[own]], stats
