"""A network that answers for places, asked about an image and its mirror image."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp


@dataclass(frozen=True)
class Mirrored:
    """Averages the answers to an image and, mirrored back, those to its mirror image.

    It stands in the place of the network in evaluations and attacks, with the same weights. Places
    lie alike on both sides of an image here, so that answers are not shifted by one, as where the
    first place lies on the first pixel.

    Attributes:
        model: the network, from images (B, H, W, C) to outputs (B, h, w, K) for their places.
        order: which output each becomes in a mirrored image, K numbers; None where each stays.
    """

    model: Any
    order: tuple[int, ...] | None

    def apply(self, variables: Any, x: Any, train: bool = False, **how: Any) -> Any:
        """Return the averaged outputs (B, h, w, K)."""
        if train or how:
            raise NotImplementedError("mirror images are for evaluations, and give outputs alone")
        outputs = self.model.apply(variables, jnp.concatenate([x, x[:, :, ::-1]]), train)
        plain, other = jnp.split(outputs, 2)
        back = other[:, :, ::-1]
        return (plain + (back if self.order is None else back[..., jnp.array(self.order)])) / 2
