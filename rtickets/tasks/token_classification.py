"""Classification of words: a class each, such as which entity it is a part of."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset, Raw
from rtickets.data.text.asked import TAGS, TextTags
from rtickets.errors import InputError, NothingCountedError
from rtickets.models.heads.text import PlacesHead
from rtickets.settings.kinds import STRICT
from rtickets.tasks.base import Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.entities import OUTSIDE, counted
from rtickets.tasks.ratios import ratio_sums, share_of
from rtickets.tasks.texts import TextTask
from rtickets.tasks.units import SHARE


@dataclass(frozen=True, config=STRICT)
class TokenClassification(TextTags, TextTask):
    """The network answers logits (B, L, classes); batches hold rows of tokens and `tags`.

    Tags are int32 (B, L), the class of a word at its first token, and -1 at all that is not asked.

    Attributes:
        metric: the headline: 'f1' of entities, or 'accuracy' over words, of tags that are of none,
            such as parts of speech.
        scheme: what an entity is, of tags that break the rules: 'conlleval' or 'strict', see
            `rtickets.tasks.entities`.
    """

    answers: ClassVar[str] = "classes of every token"
    head: ClassVar[Any] = PlacesHead
    beside_head: ClassVar[frozenset[str]] = frozenset({"metric", "scheme"})
    name: Literal["token_classification"] = "token_classification"
    metric: Literal["f1", "accuracy"] = "f1"
    scheme: Literal["conlleval", "strict"] = "conlleval"

    @property
    def headline(self) -> Headline:
        """The metric."""
        words = "F1 of entities" if self.metric == "f1" else "accuracy over words"
        return Headline(self.metric, SHARE, words=words)

    def check(self, raw: Raw, name: str) -> tuple[str, ...]:
        """Check the tags of all splits, and that they are of entities where these are counted."""
        super().check(raw, name)
        names = raw.class_names
        for split, part in (("train", raw.train), ("val", raw.validation), ("test", raw.test)):
            if part is not None:
                _check_tags(part.arrays, len(names), f"{name}: {split}")
        pairs = zip(names[1::2], names[2::2], strict=False)
        fine = len(names) % 2 == 1 and names[0] == "O"
        fine = fine and all((b[:2], i[:2], b[2:]) == ("B-", "I-", i[2:]) for b, i in pairs)
        if self.metric == "f1" and not (fine and len(names) > 1):
            raise InputError(
                f"{name}: its tags ({', '.join(names[:5])}) are not O, B-KIND and I-KIND of "
                "entities; set data.task.metric='accuracy'"
            )
        used = np.unique(raw.train.arrays[TAGS])
        if not fine and (unused := [n for k, n in enumerate(names) if k not in used]):
            return (f"tags that no training word has: {', '.join(unused[:5])}",)
        return ()

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return the names of the classes."""
        return {"class_names": list(dataset.class_names)}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of classes."""
        if not about.get("class_names"):
            raise InputError(
                "the ticket has no head for the classes of words: transfer it to a task first"
            )
        return len(about["class_names"])

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return cross-entropies such that their mean is that over all words."""
        tags = batch[TAGS]
        there = tags >= 0
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.maximum(tags, 0))
        count, examples = reduce((there.sum(), jnp.int32(len(tags))))
        return jnp.where(there, losses, 0).sum(1) * examples / jnp.maximum(count, 1)

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return how many words are right, and how many entities there are, said and right."""
        tags, answers = batch[TAGS], outputs.argmax(-1)
        there, known = tags >= 0, jnp.isfinite(outputs).all(-1)
        right = (there & known & (answers == tags)).sum(1)
        found = {"words": ratio_sums(right, there.sum(1))}
        if self.metric != "f1":
            return found
        each = counted(jnp.where(known, answers, OUTSIDE), tags, self.scheme == "strict")
        return {
            **found,
            "f1": ratio_sums(2 * each.right, each.true + each.answered),
            "precision": ratio_sums(each.right, each.answered),
            "recall": ratio_sums(each.right, each.true),
        }

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return the accuracy over words; of entities F1, precision where some are answered."""
        shares = {("accuracy" if k == "words" else k): share_of(each) for k, each in sums.items()}
        found = {name: each for name, each in shares.items() if each is not None}
        if self.headline.name not in found:
            raise NothingCountedError(
                "there is no entity, answered or true; take longer texts, or more of them"
                if "accuracy" in found
                else "no word is asked; take longer texts, or more of them"
            )
        return found


def _check_tags(arrays: Mapping[str, Any], classes: int, name: str) -> None:
    tags = np.asarray(arrays[TAGS])
    if tags.ndim != 2 or tags.dtype.kind != "i" or tags.min() < -1 or tags.max() >= classes:
        raise InputError(
            f"{name}: tags are {tags.dtype} {tags.shape} in [{tags.min()}, {tags.max()}]; expected "
            f"integers (N, L) from -1, of what is not asked, to {classes - 1}"
        )
    if tags.max() < 0:
        raise InputError(f"{name}: no word is asked; take longer texts")
