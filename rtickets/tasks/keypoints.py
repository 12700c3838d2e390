"""Keypoints of an object or a person in an image, by a heatmap for each."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.data import source_of
from rtickets.data.arrays import Dataset, Raw
from rtickets.data.images.augment import Transform
from rtickets.data.images.moved_points import (
    area_of,
    frame_of,
    prepared,
    trained,
    with_corners,
)
from rtickets.data.images.turned import Turns, turned
from rtickets.data.settings import DataConfig
from rtickets.errors import NothingCountedError
from rtickets.models.heads.deconvolutions import Deconvolutions
from rtickets.models.heads.places import Places
from rtickets.models.inputs import Input, Inputs
from rtickets.models.mirrored import Mirrored
from rtickets.settings.kinds import STRICT, NotNegative, Positive
from rtickets.tasks.accuracy import share
from rtickets.tasks.base import LISTED, Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.heatmaps import hills, tops
from rtickets.tasks.images import ImageTask
from rtickets.tasks.keypoint_checks import (
    AREA,
    KEYPOINTS,
    PICTURE,
    WINDOW,
    check_keypoints,
    check_names,
    named_by,
    window_of,
)
from rtickets.tasks.keypoint_pictures import compared, shown
from rtickets.tasks.keypoint_similarity import measured_similarity, posed_of
from rtickets.tasks.ratios import mean_of, ratio_sums, share_of
from rtickets.tasks.units import SHARE

NAMES, FRAME = "keypoint_names", "frame"
_BESIDE_HEAD = frozenset({
    "metric", "sigma", "radius", "reference", "least", "rotation", "scale", "half_body",
    "flip_test", "pairs", "sigmas", "upper",
})  # fmt: skip
_USUAL = 0.05  # deviation of a keypoint where nobody says one
Chance = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class Keypoints(ImageTask):
    """The network answers a heatmap (B, h, w, K) for every keypoint of the object in an image.

    Batches hold `image`; `keypoints` float32 (B, K, 3), down and right in pixels of the image and 0
    (not labelled), 1 (hidden) or 2 (in sight); and `area` float32 (B,), that of the object in its
    pixels. Where images are cut out of pictures with several objects, `window` float32 (B, 4) is
    top, left, height and width of the cut, and `picture` int32 (B,) says of which; areas are in
    pixels of the picture then.

    Attributes:
        metric: the headline: 'ap', COCO's average precision over similarities, or 'pck'.
        decoder: the head: 'deconvolutions' of simple baselines (Xiao et al. 2018), or 'none', a 1x1
            convolution of the backbone's last level, for backbones such as supernets. The next two
            fields are of the former.
        channels: features of the deconvolutions.
        layers: how many there are.
        sigma: deviation of the hills that heatmaps should be, in places.
        radius: PCK is the share of labelled keypoints within this part of a reference length.
        reference: that length: the root of the object's area ('scale'), or the longer side of the
            image that the network sees ('image').
        least: heights of heatmaps above it count in how sure an answer is.
        rotation: deviation of random turns in training, in degrees; twice that at most, of 60%.
        scale: deviation of random scaling about 1, and its limit.
        half_body: chance in training of a window around one half of a body.
        flip_test: evaluate, and attack, the average over an image and its mirror image.
        names: of the keypoints; this and the next are those of the source where they are (), the
            next also where the names are the source's.
        pairs: numbers of keypoints that a flip exchanges.
        sigmas: deviations that similarities allow, in roots of the area; 0.05 where no one says.
        upper: numbers of the keypoints of the upper half.
    """

    answers: ClassVar[str] = "keypoints"
    paints: ClassVar[bool] = True
    parts_have_classes: ClassVar[bool] = True
    name: Literal["keypoints"] = "keypoints"
    metric: Literal["ap", "pck"] = "ap"
    decoder: Literal["deconvolutions", "none"] = "deconvolutions"
    channels: Positive = 256
    layers: Positive = 3
    sigma: Annotated[float, Field(gt=0, le=100)] = 2.0
    radius: Annotated[float, Field(gt=0, le=1)] = 0.1
    reference: Literal["scale", "image"] = "scale"
    least: NotNegative = 0.2
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    half_body: Chance = 0.0
    flip_test: bool = False
    names: tuple[str, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    upper: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Keypoints":
        check_names(self)
        return self

    def bound(self, config: DataConfig) -> Self:
        """Return the task with what the source says of its keypoints, see `named_by`."""
        facts = source_of(config).facts
        return replace(self, **named_by(facts and facts.skeleton, self, config.source))

    @property
    def headline(self) -> Headline:
        """The metric."""
        words = {"ap": "OKS AP", "pck": f"PCK at {self.radius:g}"}[self.metric]
        return Headline(self.metric, SHARE, words=words)

    @property
    def beside_head(self) -> frozenset[str]:  # type: ignore[override]
        """Without a decoder its settings are of none."""
        unused = {"channels", "layers"} if self.decoder == "none" else set()
        return _BESIDE_HEAD | unused

    @property
    def head(self) -> Deconvolutions | Places:
        """The deconvolutions, or a convolution."""
        return Places() if self.decoder == "none" else Deconvolutions(self.channels, self.layers)

    def check(self, raw: Raw, name: str) -> tuple[str, ...]:
        """Check the keypoints of all splits, and return which have none to learn from."""
        return check_keypoints(raw, self.names, name)

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return the names of the keypoints."""
        count = dataset.train.arrays[KEYPOINTS].shape[1]
        return {NAMES: list(self.names or map(str, range(count)))}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of keypoints."""
        return len(about.get(NAMES, self.names))

    def class_names(self, about: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the keypoints."""
        return tuple(about.get(NAMES, self.names))

    def evaluated(self, model: Any, transform: Transform) -> Any:
        """Return the network, or what asks it about mirror images too."""
        del transform
        return Mirrored(model, self._order if self.pairs else None) if self.flip_test else model

    def evaluated_on(self, transform: Transform, stored: Mapping[str, Input]) -> tuple[Inputs, int]:
        """Return the image, once or twice."""
        return self.input_spec(transform, stored), 1 + self.flip_test

    @property
    def _order(self) -> tuple[int, ...]:
        """Which keypoint each becomes in a mirrored image."""
        other = dict([*self.pairs, *((b, a) for a, b in self.pairs)])
        return tuple(other.get(number, number) for number in range(len(self.names)))

    def prepare(self, transform: Transform, raw: Batch) -> Batch:
        """Return images and keypoints resized alike, and where what is stored lies in them."""
        shape, points = raw[self.input].shape[1:], raw[KEYPOINTS]
        moved = prepared(transform, with_corners(points, shape), shape)
        frame, window = frame_of(moved[:, :3]), window_of(raw, shape)
        return {
            **super().prepare(transform, raw),
            KEYPOINTS: jnp.concatenate([moved[:, 3:], points[..., 2:]], -1),
            AREA: raw[AREA] * (frame[:, 2:].prod(-1) / window[:, 2:].prod(-1)),
            FRAME: frame,
            WINDOW: window,
        }

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return images and keypoints moved alike; those of mirrored images change places."""
        shape, points = raw[self.input].shape[1:], jnp.asarray(raw[KEYPOINTS])
        batch = super().augment(transform, keys, raw)
        moved, flipped = trained(transform, keys, with_corners(points, shape), shape)
        area = raw[AREA] * (area_of(moved[:, :3]) / window_of(raw, shape)[:, 2:].prod(-1))
        points = jnp.concatenate([moved[:, 3:], points[..., 2:]], -1)
        if self.pairs:
            exchanged = points[:, jnp.array(self._order)]
            points = jnp.where(flipped[:, None, None], exchanged, points)
        images = batch[self.input]
        if self.rotation or self.scale or self.half_body:
            turn = jax.vmap(partial(turned, turns=self._turns))
            images, where, grown = turn(keys, images, points[..., :2], points[..., 2] > 0)
            points, area = jnp.concatenate([where, points[..., 2:]], -1), area * grown**2
        inside = (points[..., :2] >= 0) & (points[..., :2] <= jnp.array(images.shape[1:3]))
        points = points.at[..., 2].multiply(inside.all(-1))
        return {**batch, self.input: images, KEYPOINTS: points, AREA: area}

    @property
    def _turns(self) -> Turns:
        upper = tuple(number in self.upper for number in range(len(self.names)))
        return Turns(self.rotation, self.scale, self.half_body, upper)

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return half the mean squared error of heatmaps of an image, those labelled alone.

        The mean is over all places and keypoints; one that is not labelled, or of whose hill
        nothing lies in the image, counts 0 (Xiao et al. 2018).
        """
        del reduce
        points, size = batch[KEYPOINTS], batch[self.input].shape[1:3]
        wanted, visible = hills(points[..., :2], size, outputs.shape[1:3], self.sigma)
        counted = visible & (points[..., 2] > 0)
        errors = jnp.where(counted[:, None, None], jnp.square(outputs - wanted), 0)
        return 0.5 * errors.mean((1, 2, 3))

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return how many labelled keypoints are within the radius, and how far they are away."""
        away, labelled = self._away(outputs, batch)
        right = labelled & (away <= self.radius)
        count = labelled.sum(1)
        return {
            "pck": ratio_sums(right.sum(1), count),
            "distance": ratio_sums(jnp.where(labelled, away, 0).sum(1), count),
            "right": right.sum(0),
            "labelled": labelled.sum(0),
        }

    def _away(self, outputs: Array, batch: Batch) -> tuple[Array, Array]:
        """Return how far found keypoints are away, in reference lengths, and which are labelled."""
        size = batch[self.input].shape[1:3]
        found, points = tops(outputs, size)[0], batch[KEYPOINTS]
        distances = jnp.sqrt(jnp.square(found - points[..., :2]).sum(-1))
        length = jnp.sqrt(batch[AREA]) if self.reference == "scale" else jnp.float32(max(size))
        return distances / jnp.broadcast_to(length, len(found))[:, None], points[..., 2] > 0

    def listed(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """Return true and found keypoints in pixels of the pictures, and how sure those are.

        That is the mean height of the heatmaps above `least`, 0 where there is none.
        """
        frame, window = batch[FRAME], batch[WINDOW]
        found, heights = tops(outputs, batch[self.input].shape[1:3])

        def back(points: Array) -> Array:
            part = (points - frame[:, None, :2]) / frame[:, None, 2:]
            return window[:, None, :2] + part * window[:, None, 2:]

        sure = heights > self.least
        scores = jnp.where(sure, heights, 0).sum(-1) / jnp.maximum(sure.sum(-1), 1)
        points, grown = batch[KEYPOINTS], window[:, 2:].prod(-1) / frame[:, 2:].prod(-1)
        return {
            "keypoints": jnp.concatenate([back(points[..., :2]), points[..., 2:]], -1),
            "areas": batch[AREA] * grown,
            "found": back(found),
            "scores": scores,
            **({"pictures": batch[PICTURE]} if PICTURE in batch else {}),
        }

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return PCK, the mean distance, and with what is listed average precision."""
        pck, distance = share_of(sums["pck"]), mean_of(sums["distance"])
        if pck is None or distance is None:
            raise NothingCountedError("no keypoint is labelled; measure more examples")
        found = {"pck": pck, "distance": distance._replace(higher_is_better=False)}
        if LISTED not in sums:
            return found
        sigmas = np.array(self.sigmas or (_USUAL,) * len(sums["labelled"]))
        return found | measured_similarity(posed_of(sums[LISTED]), sigmas)

    def class_measures(self, sums: Mapping[str, Any]) -> dict[int, Measured]:
        """Return the PCK of every keypoint that is labelled somewhere."""
        each = enumerate(zip(np.asarray(sums["right"]), np.asarray(sums["labelled"]), strict=True))
        return {k: share(int(n), int(total)).measured() for k, (n, total) in each if total}

    def painted(self, outputs: Array, batch: Batch) -> dict[str, Any]:
        """Return the images, and on them the keypoints that are right and those answered."""
        return shown(*self._seen(outputs, batch))

    def painted_classes(self, outputs: Array, batch: Batch, most: int) -> dict[int, Any]:
        """Return which keypoints are found, and where they are if they are not."""
        away, _ = self._away(outputs, batch)
        return compared(*self._seen(outputs, batch), np.asarray(away) <= self.radius, most)

    def _seen(self, outputs: Array, batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return images, true and found keypoints."""
        images = np.asarray(batch[self.input])
        found = np.asarray(tops(outputs, images.shape[1:3])[0])
        return images, np.asarray(batch[KEYPOINTS]), found
