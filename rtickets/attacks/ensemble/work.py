"""What an ensemble of attacks works on, and what its model answers."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from rtickets.attacks.ensemble.members import Member
from rtickets.attacks.expectation import Rating, number_of_turns, rate_turn
from rtickets.attacks.projections import Norm
from rtickets.attacks.search import Job, LogitsFn, Search, call_model, join_model, split_model
from rtickets.errors import Preempted
from rtickets.platform import parallel, preemption
from rtickets.platform.programs import bytes_of


class Leg(NamedTuple):
    """One run of an attack on all examples that are left to it.

    Attributes:
        member: its number.
        restart: number of the run.
        rank: of the target aimed at, the likeliest first; None for all of them or none.
    """

    member: int
    restart: int
    rank: int | None


class EnsembleWork(NamedTuple):
    """Everything that the outcome of an ensemble depends on.

    Attributes:
        logits_fn: the model.
        x: float32 images (N, H, W, C).
        y: int32 labels (N,).
        keys: typed PRNG keys (N,).
        eps: radius in pixel units.
        norm: norm of the ball.
        members: the attacks.
        batch_size: examples evaluated at once, over all devices.
        devices: where to compute.
    """

    logits_fn: LogitsFn
    x: np.ndarray
    y: np.ndarray
    keys: Array
    eps: float
    norm: Norm
    members: tuple[Member, ...]
    batch_size: int
    devices: parallel.Devices

    @property
    def samples(self) -> int:
        """Draws of a random model per evaluation, the fewest of any attack; 0 for one without."""
        return min(member.samples for member in self.members)

    def legs(self) -> list[Leg]:
        """Return every run of an attack, in order."""
        return [
            Leg(index, restart, rank)
            for index, member in enumerate(self.members)
            for restart in range(member.restarts)
            for rank in self._ranks(member)
        ]

    def _ranks(self, member: Member) -> Sequence[int | None]:
        """Return targets that have legs of their own, one at a time for random models."""
        return range(member.num_targets) if member.num_targets and member.samples else [None]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the logits (N, classes) of images (N, ...) in batches of one shape."""
        function, arguments = split_model(self.logits_fn)
        run = _compiled_logits(function, self.samples, self.devices)
        keys = np.asarray(jax.random.key_data(self.keys))
        parts = [
            np.concatenate(np.asarray(run(arguments, *shards)))
            for shards in self._batches(images, keys)
        ]
        return np.concatenate(parts)[: len(images)]

    def rate(self, images: np.ndarray, purpose: int) -> Rating:
        """Rate images (N, ...) for a random model, as means over at least `DRAWS` draws.

        Args:
            purpose: `SELECTION` or `REPORT` of `rtickets.attacks.expectation`, with draws of its
                own.

        Raises:
            Preempted: if the process was asked to stop.
        """
        function, arguments = split_model(self.logits_fn)
        run = _compiled_rating(function, self.samples, self.devices)
        keys = jax.vmap(lambda key: jax.random.fold_in(key, purpose))(self.keys)
        data, turns = np.asarray(jax.random.key_data(keys)), number_of_turns(self.samples)
        parts = []
        for shards in self._batches(images, self.y, data):
            total = np.zeros((2, np.prod(shards[1].shape)))
            for turn in range(turns):
                if preemption.heard():
                    raise Preempted("asked to stop")
                found = run(arguments, *shards, np.int32(turn))
                total += [np.concatenate(np.asarray(each)) for each in found]
            parts.append(total / turns)
        return Rating(*np.concatenate(parts, axis=1)[:, : len(images)])

    def _batches(self, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield the examples of arrays (N, ...) by shards in batches of one shape."""
        count, devices = len(arrays[0]), self.devices
        size = -(-min(self.batch_size, count) // len(devices)) * len(devices)
        order = np.arange(-(-count // size) * size) % count
        for some in np.split(order, len(order) // size):
            yield tuple(parallel.shard(array[some], devices) for array in arrays)

    def search(self, leg: int, num_classes: int) -> Search:
        """Return the search of a leg."""
        return self.members[self.legs()[leg].member].search(self.norm, num_classes)

    def fingerprint(self, logits: np.ndarray) -> str:
        """Return a digest of the task.

        The weights of a `Partial` and the classes that it predicts stand for the model, else its
        clean logits, which another machine rounds otherwise. What its function computes besides is
        compared with tolerance (`rtickets.attacks.identity.Answers`).
        """
        weights = jax.tree.leaves(split_model(self.logits_fn)[1])
        model = [*weights, logits.argmax(-1)] if weights else [logits]
        settings = (self.members, self.eps, self.norm, self.batch_size, len(self.devices))
        digest = hashlib.sha256(repr(settings).encode())
        for array in (self.x, self.y, self.keys, *model):
            digest.update(bytes_of(array))
        return digest.hexdigest()


@lru_cache(maxsize=16)
def _compiled_logits(
    function: Callable[..., Array], samples: int, devices: parallel.Devices
) -> Any:
    def logits(arguments: Any, x: Array, keys: Array) -> Array:
        logits_fn = join_model(function, arguments)
        return call_model(logits_fn, x, jax.random.wrap_key_data(keys), samples).mean(0)

    return parallel.parallel(logits, in_axes=(None, 0, 0), out_axes=0, devices=devices)


@lru_cache(maxsize=16)
def _compiled_rating(
    function: Callable[..., Array], samples: int, devices: parallel.Devices
) -> Any:
    def rating(arguments: Any, x: Array, y: Array, keys: Array, turn: Array) -> Rating:
        job = Job(x, y, y, jax.random.wrap_key_data(keys), jnp.zeros(y.shape))
        return rate_turn(join_model(function, arguments), job, x, turn, samples)

    return parallel.parallel(rating, in_axes=(None, 0, 0, 0, None), out_axes=0, devices=devices)
