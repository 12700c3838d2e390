"""Regression of texts: a number that belongs to a text or a pair, such as how alike they are."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset
from rtickets.data.text.asked import VALUE, TextNumbers
from rtickets.models.heads.text import TextHead
from rtickets.settings.kinds import STRICT
from rtickets.tasks.agreement import pearson_of, spearman_of
from rtickets.tasks.base import LISTED, Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.ratios import mean_of, ratio_sums
from rtickets.tasks.texts import TextTask


@dataclass(frozen=True, config=STRICT)
class TextRegression(TextNumbers, TextTask):
    """The network answers (B, 1); batches hold rows of tokens and `value`, float32 (B,).

    Attributes:
        metric: the headline, a correlation of answers and values.
    """

    answers: ClassVar[str] = "numbers"
    head: ClassVar[Any] = TextHead
    beside_head: ClassVar[frozenset[str]] = frozenset({"metric"})
    name: Literal["text_regression"] = "text_regression"
    metric: Literal["pearson", "spearman"] = "pearson"

    @property
    def headline(self) -> Headline:
        """The metric."""
        return Headline(self.metric, words=f"{self.metric.capitalize()} correlation")

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return how many numbers are told."""
        del dataset
        return {"numbers": 1}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return one."""
        del about
        return 1

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return the squared error."""
        del reduce
        return (outputs[:, 0] - batch[VALUE]) ** 2

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return the squared errors."""
        return {"error": ratio_sums(self.loss(outputs, batch), jnp.ones(len(outputs)))}

    def listed(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """Return answers and values, which are compared with each other."""
        return {"answer": outputs[:, 0].astype(jnp.float32), VALUE: batch[VALUE]}

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return the mean squared error, and correlations where answers are listed."""
        found = {}
        if (error := mean_of(sums["error"])) is not None:
            found["squared_error"] = error._replace(higher_is_better=False)
        if LISTED in sums:
            both = (np.asarray(sums[LISTED][name]) for name in ("answer", VALUE))
            answers, values = both
            found["pearson"] = pearson_of(answers, values)
            found["spearman"] = spearman_of(answers, values)
        return found
