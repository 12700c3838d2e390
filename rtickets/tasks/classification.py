"""Classification of images: one right class out of several."""

from typing import Any, ClassVar, Literal

import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT
from rtickets.tasks.accuracy import is_correct
from rtickets.tasks.base import Batch
from rtickets.tasks.images import ImageTask
from rtickets.tasks.labelled import Labelled
from rtickets.tasks.painting import framed


@dataclass(frozen=True, config=STRICT)
class Classification(Labelled, ImageTask):
    """The network answers logits over classes; batches hold `image` and `label`, int32 (B,)."""

    paints: ClassVar[bool] = True
    name: Literal["classification"] = "classification"

    def painted(self, outputs: Array, batch: Batch) -> dict[str, Any]:
        """Return the images in frames of another colour where answers are wrong."""
        right = is_correct(np.asarray(outputs), np.asarray(batch["label"]))
        return {"answer": framed(np.asarray(batch[self.input]), right)}
