"""Features of examples compared with those of others: nearest neighbours, and retrieval of views.

What is compared is the pooled features, before the head, by cosine similarity. Nothing is held but
the features of the examples that ask, and of every one the nearest so far: the training examples
pass by in batches, however many there are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass as settings

from rtickets.data.arrays import LABEL, Split
from rtickets.data.images.augment import Transform
from rtickets.data.images.random_views import CVLTH, ViewsConfig
from rtickets.errors import InputError
from rtickets.evaluation.batches import over_batches
from rtickets.evaluation.examples import Examples, Network, on_devices
from rtickets.evaluation.features import check_backbone
from rtickets.evaluation.predict import Gathered, answers
from rtickets.evaluation.subject import spread
from rtickets.models.network import Features
from rtickets.platform import parallel
from rtickets.settings.kinds import STRICT
from rtickets.tasks import ImageTask, Sums
from rtickets.tasks.base import Batch
from rtickets.tasks.comparison import Comparison, Neighbours, Retrieval
from rtickets.tasks.contrastive import OTHER, unit

Gallery = Callable[[], Examples]
_PLACE = "place"  # of an example in its split, which its views are drawn by
_HIGHEST = jax.lax.Precision.HIGHEST


def compared(
    network: Network,
    examples: Examples,
    gallery: Gallery | None,
    batch_size: int = 256,
    comparison: Comparison | None = None,
) -> Sums:
    """Return what a comparison counts of a split, {} for a task without one.

    Args:
        network: the network.
        examples: the split, of which every example asks.
        gallery: returns the training examples, see `gallery_of`; None where there are none.
        batch_size: examples per call of the network.
        comparison: what is compared; None is what the task names.

    Returns:
        'asked', how often; how many answers were right: 'knn', or 'retrieval' and 'retrieval_topK'.

    Raises:
        InputError: where there is nothing to compare with, or the backbone is not told from the
            head.
    """
    comparison = comparison or examples.task.comparison
    if comparison is None:
        return {}
    check_backbone(network)
    if isinstance(comparison, Retrieval):
        return retrieval(network, examples, comparison)
    if gallery is None:
        raise InputError(
            f"the task {examples.task.name!r} is judged by the nearest training examples, and "
            "there are none here; give them, or data.task.metric='retrieval'"
        )
    return neighbours(network, examples, gallery(), comparison, batch_size)


def gallery_of(
    comparison: Comparison | None, split: Split, *where: Any
) -> Callable[[], Examples] | None:
    """Return what returns the training examples that a comparison needs, None for none.

    Args:
        comparison: the comparison.
        split: the training examples.
        *where: what follows in `on_devices`.
    """
    if not isinstance(comparison, Neighbours):
        return None
    few = split.take(spread(len(split), comparison.gallery)) if comparison.gallery else split
    return partial(on_devices, few, *where)


class _NoHead(nn.Module):
    """The pooled features as they are."""

    outputs: int

    def __call__(self, found: Features) -> Array:
        """Return them."""
        return found.pooled


def headless(network: Network) -> Network:
    """Return a network that answers its pooled features."""
    check_backbone(network)
    return network._replace(model=network.model.clone(make_head=_NoHead))


def neighbours(
    network: Network,
    examples: Examples,
    gallery: Examples,
    how: Neighbours,
    batch_size: int = 256,
) -> Sums:
    """Return how many examples of a split have the class of their nearest training examples."""
    backbone, read = headless(network), Gathered(inputs=False)
    asking, batch = answers(backbone, examples, batch_size=batch_size)
    labels, count = np.asarray(batch[LABEL]), len(gallery.split)
    queries = unit(jnp.asarray(asking))
    kept = min(how.count, count)
    nearest = (jnp.full((len(labels), kept), -jnp.inf), jnp.zeros((len(labels), kept), jnp.int32))
    left, classes = count, int(max(labels.max(), np.asarray(gallery.split.labels).max())) + 1
    for part in over_batches(backbone, gallery, read, batch_size=batch_size):
        # Of all devices beside each other: what fills the last batch up is its end.
        found, known = (
            np.concatenate(np.asarray(each))[:left] for each in (part[0], part[1][LABEL])
        )
        left -= len(found)
        nearest = _nearer(nearest, queries, *_filled(found, known, batch_size))
    right = _voted(nearest, how.temperature, classes) == labels
    return {"knn": np.int64(right.sum()), "asked": np.int64(len(labels))}


def _filled(found: np.ndarray, known: np.ndarray, count: int) -> tuple[np.ndarray, ...]:
    """Return features, labels and which are some, of one shape so that nothing compiles twice."""
    count = max(count, len(found))
    more = count - len(found)
    valid = np.arange(count) < len(found)
    return np.pad(found, ((0, more), (0, 0))), np.pad(known, (0, more)).astype(np.int32), valid


@jax.jit
def _nearer(
    nearest: tuple[Array, Array], queries: Array, found: Array, known: Array, valid: Array
) -> tuple[Array, Array]:
    """Return similarities and classes (N, k) of the nearest, some more (B, D) among them."""
    similar = jnp.einsum("qd,bd->qb", queries, unit(found), precision=_HIGHEST)
    similar = jnp.where(valid, similar, -jnp.inf)
    labels = jnp.broadcast_to(known, similar.shape)
    every = jnp.concatenate([nearest[0], similar], 1), jnp.concatenate([nearest[1], labels], 1)
    best, where = jax.lax.top_k(every[0], nearest[0].shape[1])
    return best, jnp.take_along_axis(every[1], where, 1)


def _voted(nearest: tuple[Array, Array], temperature: float, classes: int) -> np.ndarray:
    """Return the class of the most votes, int (N,); of equal ones the first."""
    similar, labels = (np.asarray(each) for each in nearest)
    # Relative to the nearest, so that no vote overflows.
    votes = np.exp((similar.astype(np.float64) - similar[:, :1]) / temperature)
    found = np.zeros((len(votes), classes))
    np.add.at(found, (np.arange(len(votes))[:, None], labels), votes)
    return found.argmax(1)


@settings(frozen=True, config=STRICT)
class _TwoViews(ImageTask):
    """Two random views of every image, by the place of an example in its split."""

    views: ViewsConfig = CVLTH
    seed: int = 0

    def prepare(self, transform: Transform, raw: Batch) -> dict[str, Array]:
        """Return both."""
        key = jax.random.key(self.seed)
        keys = jax.vmap(lambda i: jax.random.split(jax.random.fold_in(key, i)))(raw[_PLACE])
        one, other = (transform.views(keys[:, i], raw[self.input], self.views) for i in (0, 1))
        return {self.input: one, OTHER: other}

    def seen(self, batch: Batch, changed: Array) -> Array:
        """Return both beside each other."""
        return jnp.concatenate([changed, batch[OTHER]])


@dataclass(frozen=True)
class _Pairs:
    """What the network answers to both views of an example, and which are examples."""

    def __call__(self, task: Any, outputs: Array, batch: Any, valid: Array) -> Any:
        """Return (D, b, 2, ...) and (D, b)."""
        del task, batch
        count = len(valid)
        return parallel.gather((jnp.stack([outputs[:count], outputs[count:]], 1), valid))


def retrieval(network: Network, examples: Examples, how: Retrieval) -> Sums:
    """Return how many views have the other view of their example among the nearest of a group.

    Groups are consecutive examples of the split; one that is left over and smaller counts too, a
    single example does not.
    """
    split = examples.split
    placed = Split({**split.arrays, _PLACE: np.arange(len(split), dtype=np.int32)})
    task: Any = _TwoViews(views=how.views, seed=how.seed)
    asked = on_devices(placed, examples.transform, examples.devices, task)
    found = np.zeros(len(how.top), np.int64)
    count = 0
    for part, valid in over_batches(headless(network), asked, _Pairs(), batch_size=how.group):
        pairs = np.concatenate(np.asarray(part))[np.concatenate(np.asarray(valid))]
        if len(pairs) > 1:
            ranks = ranks_of_pairs(pairs)
            found += [(ranks < top).sum() for top in how.top]
            count += len(ranks)
    names = ["retrieval" if top == 1 else f"retrieval_top{top}" for top in how.top]
    return {**dict(zip(names, found, strict=True)), "asked": np.int64(count)}


def ranks_of_pairs(pairs: np.ndarray) -> np.ndarray:
    """Return how many views are at least as near to a view as its partner, int (2n,).

    Args:
        pairs: features of both views of n examples, (n, 2, D).
    """
    every = np.asarray(unit(jnp.asarray(pairs))).transpose(1, 0, 2).reshape(2 * len(pairs), -1)
    similar = every @ every.T
    np.fill_diagonal(similar, -np.inf)
    count = len(pairs)
    partner = np.concatenate([np.arange(count, 2 * count), np.arange(count)])
    own = similar[np.arange(2 * count), partner]
    # The partner itself does not count; another that is just as near does.
    return (similar >= own[:, None]).sum(1) - 1
