"""What happens to images on the device: scaling, channels, resizing and random changes.

Data stays uint8 in memory; everything here runs inside the compiled step. Randomness is per
example, so it does not depend on how a batch is split.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
from jax import Array

from rtickets.data.arrays import Dataset
from rtickets.data.images import boxes, colour, moved_boxes
from rtickets.data.images.canvas import extents_or_whole
from rtickets.data.images.random_views import ViewsConfig, random_view
from rtickets.data.images.resample import (
    Method,
    nearest_box,
    nearest_window,
    resize,
    resize_box,
    resize_window,
)
from rtickets.data.images.views import View
from rtickets.errors import InputError


@dataclass(frozen=True)
class Transform:
    """From stored pixels to the network's input.

    Attributes:
        size: (height, width) to bring images to, or None.
        channels: 1 or 3 to convert to, or None.
        crop_padding: zero padding before a random crop of the original size; 0 is none.
        flip: random horizontal flips.
        resize: without random crops, scale the short side to this before a centre crop of `size`;
            0 stretches images to `size`.
        method: the filter of all resizing.
        random_crop: smallest and largest part of the area that a random resized crop takes in
            training; None takes none.
        random_scale: smallest and largest factor that training images are scaled by at random,
            after which `size` is cut out of them at a random place; None does not.
        jitter: strength of random brightness, contrast and saturation.
        lighting: strength of random lighting along ImageNet's colours.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    crop_padding: int = 0
    flip: bool = False
    resize: int = 0
    method: Method = "bilinear"
    random_crop: tuple[float, float] | None = None
    random_scale: tuple[float, float] | None = None
    jitter: float = 0.0
    lighting: float = 0.0

    def prepare(self, images: Array) -> Array:
        """Scale to [0, 1], convert channels and resize, uint8 (B, H, W, C) to float32."""
        return self._resized(self._scaled(images))

    def training_input(self, keys: Array, images: Array, extents: Array | None = None) -> Array:
        """Do what `prepare` does, and change the images at random, each by its own of (B,) keys.

        Args:
            keys: one an image.
            images: uint8 (B, H, W, C).
            extents: (B, 2), height and width of what lies in the corner of a canvas, inside of
                which a random scale cuts; None is all of it.
        """
        x = self._scaled(images)
        if self.random_scale is not None:
            within = extents_or_whole(x, extents)
            return self.augment(keys, jax.vmap(self._scale_one)(keys, x, within))
        if self.random_crop is None:
            return self.augment(keys, self._resized(x))
        return self.augment(keys, jax.vmap(self._crop_one)(keys, x))

    def views(self, keys: Array, images: Array, views: ViewsConfig) -> Array:
        """Return a random view of every image, each by its own of (B,) keys, float32 in [0, 1].

        What else changes images at random in training plays no part.
        """
        x = self._scaled(images)
        size = self.size or (x.shape[1], x.shape[2])
        return jax.vmap(lambda key, image: random_view(key, image, size, views, self.method))(
            keys, x
        )

    @property
    def as_stored(self) -> "Transform":
        """What `prepare` and `prepare_map` do, at the size that images are stored with."""
        return replace(self, size=None, resize=0)

    def prepare_map(self, maps: Array) -> Array:
        """Do what `prepare` does to images to what their places hold, (B, H, W, ...).

        Values are moved, never mixed, so that integers may stand for classes.
        """
        return jax.vmap(self._map_resized)(maps)

    def training_map(
        self, keys: Array, maps: Array, fill: int = 0, extents: Array | None = None
    ) -> Array:
        """Do what `training_input` does to the places of images, by the same keys.

        Args:
            keys: those that the images are changed by.
            maps: what their places hold, (B, H, W, ...).
            fill: what places outside an image hold.
            extents: as of `training_input`.
        """

        def change(key: Array, values: Array, extent: Array) -> Array:
            size = self.size or (values.shape[0], values.shape[1])
            if self.random_scale is not None:
                values = nearest_window(values, self._window(key, extent, size), size, fill)
            elif self.random_crop is None:
                values = self._map_resized(values)
            else:
                values = nearest_box(values, self._box(key, values.shape), size)
            return self._moved(key, values, fill)

        return jax.vmap(change)(keys, maps, extents_or_whole(maps, extents))

    def prepare_boxes(
        self, found: Array, shape: tuple[int, ...], crowd: Array | None = None
    ) -> Array:
        """Do what `prepare` does to boxes in images, see `rtickets.data.images.moved_boxes`.

        Args:
            found: float32 (B, N, 4), in pixels of the stored images.
            shape: (H, W, ...) of these.
            crowd: bool (B, N), those around crowds; None where there are none.
        """
        moved = self.boxes_resized(found, shape)
        crowd = jnp.zeros(found.shape[:2], bool) if crowd is None else crowd
        return jnp.asarray(moved_boxes.still_there(jnp, moved, self.output_shape(shape)[:2], crowd))

    def training_boxes(
        self, keys: Array, found: Array, shape: tuple[int, ...], crowd: Array | None = None
    ) -> Array:
        """Do what `training_input` does to boxes by the same keys; others as `prepare_boxes`."""

        def change(key: Array, own: Array, many: Array) -> Array:
            own, size = self.boxes_moved(key, own, shape), self.output_shape(shape)[:2]
            return jnp.asarray(moved_boxes.still_there(jnp, own, size, many))

        crowd = jnp.zeros(found.shape[:2], bool) if crowd is None else crowd
        return jax.vmap(change)(keys, found, crowd)

    def boxes_moved(self, key: Array, own: Array, shape: tuple[int, ...]) -> Array:
        """Return boxes (..., 4) of an image as `training_boxes` does, however far outside."""
        size = self.output_shape(shape)[:2]
        if self.random_scale is not None:
            own = moved_boxes.stretched(jnp, own, self._window(key, shape, size), size)
        elif self.random_crop is None:
            own = self.boxes_resized(own, shape)
        else:
            own = moved_boxes.stretched(jnp, own, self._box(key, shape), size)
        (top, left), mirrored = self._moves(key)
        if pad := self.crop_padding:
            own = moved_boxes.shifted(jnp, own, pad - top, pad - left)
        if self.flip:
            own = jnp.where(mirrored, moved_boxes.mirrored(jnp, own, size[1]), own)
        return own

    def mirrored(self, keys: Array) -> Array:
        """Return which images `training_input` mirrors, bool (B,)."""
        if not self.flip:
            return jnp.zeros(len(keys), bool)
        return jax.vmap(lambda key: self._moves(key)[1])(keys)

    def augment(self, keys: Array, images: Array) -> Array:
        """Crop out of padding, flip, and change colours of float32 images in [0, 1] at random.

        Raises:
            InputError: for changes of colour of images without colour.
        """
        if not (self.crop_padding or self.flip or self.jitter or self.lighting):
            return images
        if (self.jitter or self.lighting) and images.shape[-1] != 3:
            raise InputError(
                f"color_jitter={self.jitter} and lighting={self.lighting} need images of 3 "
                f"channels, these have {images.shape[-1]}; set them to 0, or data.channels=3"
            )
        return jax.vmap(self._augment_one)(keys, images)

    @property
    def view(self) -> View:
        """How images of many sizes reach the size of the network on the host."""
        return View(self.size, self.resize, self.method, self.random_crop)

    def left_to_do(self, task: Dataset) -> "Transform":
        """Return what is left for the device: a task's images may be cropped when decoded."""
        return replace(self, resize=0) if task.viewed else self

    def _scaled(self, images: Array) -> Array:
        x = images.astype(jnp.float32) / 255
        if self.channels == 3 and x.shape[-1] == 1:
            x = jnp.repeat(x, 3, -1)
        elif self.channels == 1 and x.shape[-1] == 3:
            x = colour.grey(x)
        return x

    def _resized(self, x: Array) -> Array:
        if self.size is None or (not self.resize and x.shape[1:3] == self.size):
            return x
        if not self.resize:
            return jnp.clip(resize(x, self.size, self.method), 0, 1)
        scaled = boxes.short_side((x.shape[1], x.shape[2]), self.resize)
        x = x if x.shape[1:3] == scaled else resize(x, scaled, self.method)
        top, left = boxes.centre((x.shape[1], x.shape[2]), self.size)
        return jnp.clip(x[:, top : top + self.size[0], left : left + self.size[1]], 0, 1)

    def _map_resized(self, values: Array) -> Array:
        shape = (values.shape[0], values.shape[1])
        if self.size is None or (not self.resize and shape == self.size):
            return values
        scaled = boxes.short_side(shape, self.resize) if self.resize else self.size
        if shape != scaled:
            values = nearest_box(values, jnp.array([0, 0, *shape]), scaled)
        if not self.resize:
            return values
        top, left = boxes.centre(scaled, self.size)
        return values[top : top + self.size[0], left : left + self.size[1]]

    def boxes_resized(self, found: Array, shape: tuple[int, ...]) -> Array:
        """Return boxes (..., 4) as `prepare_boxes` does, however far outside."""
        stored = (shape[0], shape[1])
        if self.size is None or (not self.resize and stored == self.size):
            return found
        scaled = boxes.short_side(stored, self.resize) if self.resize else self.size
        found = moved_boxes.stretched(jnp, found, (0, 0, *stored), scaled)
        if not self.resize:
            return found
        top, left = boxes.centre(scaled, self.size)
        return jnp.asarray(moved_boxes.shifted(jnp, found, -top, -left))

    def _crop_one(self, key: Array, image: Array) -> Array:
        size = self.size or (image.shape[0], image.shape[1])
        return jnp.clip(resize_box(image, self._box(key, image.shape), size, self.method), 0, 1)

    def _scale_one(self, key: Array, image: Array, extent: Array) -> Array:
        size = self.size or (image.shape[0], image.shape[1])
        window = self._window(key, extent, size)
        return jnp.clip(resize_window(image, window, size, self.method), 0, 1)

    def _window(self, key: Array, extent: Array | tuple[int, ...], size: tuple[int, int]) -> Array:
        """Return the window of a random scale and a crop of it, see `boxes.random_window`."""
        assert self.random_scale is not None
        scale_key, place_key = jax.random.split(jax.random.fold_in(key, 4))
        found: Array = boxes.random_window(
            jnp, extent[:2], size,
            jax.random.uniform(scale_key), jax.random.uniform(place_key, (2,)), self.random_scale,
        )  # fmt: skip
        return found

    def _box(self, key: Array, shape: tuple[int, ...]) -> Array:
        """Return the box of a random resized crop, see `boxes.random_box`."""
        assert self.random_crop is not None
        shape_key, place_key = jax.random.split(jax.random.fold_in(key, 1))
        shapes = jax.random.uniform(shape_key, (boxes.ATTEMPTS, 2))
        place = jax.random.uniform(place_key, (2,))
        found: Array = boxes.random_box(jnp, (shape[0], shape[1]), shapes, place, self.random_crop)
        return found

    def _moved(self, key: Array, values: Array, fill: float = 0) -> Array:
        """Crop out of padding and flip an image, or what its places hold, (H, W, ...)."""
        (top, left), mirrored = self._moves(key)
        if self.crop_padding:
            pad, rest = self.crop_padding, values.ndim - 2
            widths = ((pad, pad), (pad, pad), *((0, 0),) * rest)
            padded = jnp.pad(values, widths, constant_values=fill)
            values = jax.lax.dynamic_slice(padded, (top, left, *(0,) * rest), values.shape)
        if self.flip:
            values = jnp.where(mirrored, values[:, ::-1], values)
        return values

    def _moves(self, key: Array) -> tuple[Array, Array]:
        """Return where a crop out of padding begins, int32 (2,), and whether to flip."""
        # Every change has a key of its own, so that turning one on or off leaves the others' draws.
        crop_key, flip_key = jax.random.split(key)
        corner = jax.random.randint(crop_key, (2,), 0, 2 * self.crop_padding + 1)
        return corner, jax.random.bernoulli(flip_key)

    def _augment_one(self, key: Array, image: Array) -> Array:
        image = self._moved(key, image)
        if self.jitter:
            image = colour.jitter(jax.random.fold_in(key, 2), image, self.jitter)
        if self.lighting:
            image = colour.lighting(jax.random.fold_in(key, 3), image, self.lighting)
        return image

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Return the (H, W, C) that images stored as `shape` (H, W, C) reach the network with."""
        height, width = self.size or shape[:2]
        return (height, width, self.channels or shape[2])
