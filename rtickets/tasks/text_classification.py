"""Classification of texts: one right class out of several, of a text or a pair."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.data.text.asked import JudgedTextClasses, TextMetric
from rtickets.models.heads.text import TextHead
from rtickets.settings.kinds import STRICT
from rtickets.tasks.agreement import f1_of, matthews_of
from rtickets.tasks.base import Batch, Headline, Measured, Sums
from rtickets.tasks.labelled import Labelled
from rtickets.tasks.texts import TextTask
from rtickets.tasks.units import SHARE

_WORDS = {"balanced": "balanced accuracy", "f1": "F1", "matthews": "Matthews correlation"}


@dataclass(frozen=True, config=STRICT)
class TextClassification(JudgedTextClasses, Labelled, TextTask):
    """The network answers logits over classes; batches hold rows of tokens and `label`.

    Attributes:
        metric: the headline: 'accuracy' or 'balanced', as of images; 'f1', of the last of two
            classes, of more the mean over classes; or 'matthews', the correlation of classes and
            answers. The last two are of all answers together, so that there is no right and wrong
            of single ones to compare networks by.
    """

    head: ClassVar[Any] = TextHead
    name: Literal["text_classification"] = "text_classification"
    metric: TextMetric = "accuracy"  # type: ignore[assignment]  # there are more of them

    @property
    def has_classes(self) -> bool:  # type: ignore[override]
        """Whether the headline counts right answers."""
        return self.metric in ("accuracy", "balanced")

    @property
    def headline(self) -> Headline:
        """The metric."""
        unit = "" if self.metric == "matthews" else SHARE
        return Headline(self.metric, unit, words=_WORDS.get(self.metric, ""))

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return how many answers are right, and how often which class is answered for which."""
        classes, labels = outputs.shape[-1], batch["label"]
        # An answer that is no number is of no class, and so of a wrong one.
        answered = jnp.where(jnp.isfinite(outputs).all(-1), outputs.argmax(-1), classes)
        table = jnp.zeros((classes, classes + 1), jnp.int32).at[labels, answered].add(1)
        return {**super().sums(outputs, batch), "table": table}

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return accuracy, F1 and Matthews correlation."""
        found = super().measures(sums)
        return {**found, "f1": f1_of(sums["table"]), "matthews": matthews_of(sums["table"])}
