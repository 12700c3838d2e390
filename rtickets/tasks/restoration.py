"""Restoration of pictures: a network paints from noise what was observed of one."""

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset
from rtickets.errors import InputError
from rtickets.models.heads.picture import Picture
from rtickets.settings.kinds import STRICT
from rtickets.tasks.arrays import ArrayTask
from rtickets.tasks.base import Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.degradations import OperatorConfig
from rtickets.tasks.image_quality import (
    SMALLEST,
    psnr_of,
    squared_errors,
    structural_similarity,
)

NOISE, OBSERVED, SEEN, CLEAN = "noise", "observed", "seen", "clean"


@dataclass(frozen=True, config=STRICT)
class Restoration(ArrayTask):
    """The network paints a picture of which something was observed.

    Batches hold what it paints from, `noise` (B, h, w, depth); what was `observed`; what was `seen`
    of it (B, H, W, 1), see `rtickets.tasks.degradations`; and where it is known `clean`, the
    picture itself (B, H, W, C). Answers are pictures. The loss of an example is the mean over all
    that is observed of the squared difference to what would be observed of the answer.

    Data sets that hold these arrays are trained on, pruned and judged as those of any other task;
    `rtickets.restoration` makes the batch of one picture that is given.

    Attributes:
        operator: what happened to the picture before it was observed.
    """

    name: Literal["restoration"] = "restoration"
    inputs: ClassVar[tuple[str, ...]] = (NOISE,)
    answers: ClassVar[str] = "channels"
    head: ClassVar[Any] = Picture()
    headline: ClassVar[Any] = Headline("psnr", "dB", words="PSNR")
    operator: OperatorConfig = field(default_factory=OperatorConfig)

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return the number of channels of the pictures."""
        observed = dataset.train.arrays[OBSERVED].shape[-1]
        return {"channels": observed if self.operator.in_pixels else observed // 2}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of channels of the pictures."""
        if (channels := about.get("channels")) not in (1, 3):
            raise InputError(f"channels={channels!r} of pictures; expected 1 or 3")
        return int(channels)

    def loss(self, outputs: Any, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return the mean squared error to what was observed, float32 (B,)."""
        del reduce
        found = self.operator.apply(outputs, batch[SEEN])
        return squared_errors(found, batch[OBSERVED])

    def sums(self, outputs: Any, batch: Batch) -> Sums:
        """Return squared errors and similarities, of the clean pictures where they are known."""
        found = {"count": jnp.int32(len(outputs)), "observed": self.loss(outputs, batch).sum()}
        large = min(outputs.shape[1:3]) >= SMALLEST
        if large and self.operator.in_pixels:
            seen = self.operator.apply(outputs, batch[SEEN])
            found["similarity_observed"] = structural_similarity(seen, batch[OBSERVED]).sum()
        if CLEAN in batch:
            found["clean"] = squared_errors(outputs, batch[CLEAN]).sum()
            if large:
                found["similarity"] = structural_similarity(outputs, batch[CLEAN]).sum()
        return found

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return PSNR in dB and similarity; the mean over pictures is that of squared errors."""
        count = int(sums["count"])
        found = {"psnr_observed": _exact(psnr_of(float(sums["observed"]) / count), "dB")}
        if "clean" in sums:
            found["psnr"] = _exact(psnr_of(float(sums["clean"]) / count), "dB")
        for name in ("similarity", "similarity_observed"):
            if name in sums:
                called = name.replace("similarity", "ssim")
                found[called] = _exact(float(sums[name]) / count, "")
        return found

    def painted(self, outputs: Any, batch: Batch) -> dict[str, Any]:
        """Return what was observed, the answers and, where they are known, the clean pictures."""
        shown = self.operator.shown(batch[OBSERVED], batch[SEEN])
        found = {"observed": jnp.clip(shown, 0, 1), "restored": outputs}
        return {**found, "clean": batch[CLEAN]} if CLEAN in batch else found


def _exact(value: float, unit: str) -> Measured:
    """Return a number about given pictures, which are no sample of anything."""
    return Measured(value, value, value, unit)
