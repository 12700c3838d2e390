"""Questions whose answers stand in a text: where the answer begins and where it ends."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset
from rtickets.data.text.asked import TextSpans
from rtickets.data.text.windows import ANSWERS, END, TEXT
from rtickets.models.bert import PART
from rtickets.models.heads.text import PlacesHead
from rtickets.settings.kinds import STRICT, Positive
from rtickets.tasks import accuracy
from rtickets.tasks.answer_overlap import exact_match, overlap_f1
from rtickets.tasks.base import LISTED, Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.ratios import ratio_sums, share_of
from rtickets.tasks.spans import best_spans
from rtickets.tasks.texts import TextTask
from rtickets.tasks.units import SHARE


@dataclass(frozen=True, config=STRICT)
class QuestionAnswering(TextSpans, TextTask):
    """The network answers scores (B, L, 2) of beginnings and ends; batches hold windows.

    What a window is stands in `rtickets.data.text.windows`. Of the windows of a question the best
    span is the answer; it is compared as SQuAD 1.1's evaluation does.

    Attributes:
        nbest: beginnings and ends of a window that are paired to spans, the best of each.
        longest: tokens of an answer at most.
    """

    answers: ClassVar[str] = "scores of every token"
    head: ClassVar[Any] = PlacesHead
    headline: ClassVar[Any] = Headline("f1", SHARE, words="F1")
    beside_head: ClassVar[frozenset[str]] = frozenset({"nbest", "longest"})
    name: Literal["question_answering"] = "question_answering"
    nbest: Positive = 20
    longest: Positive = 30

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return what is scored."""
        del dataset
        return {"scores": ["first", "last"]}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return two."""
        del about
        return 2

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return the mean cross-entropy of both ends of the answer among all tokens."""
        del reduce
        both = (
            optax.softmax_cross_entropy_with_integer_labels(scores, batch[name])
            for name, scores in zip(("first", "last"), _scores(outputs, batch), strict=True)
        )
        return sum(both, jnp.zeros(len(outputs))) / 2

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return in how many windows both ends are right."""
        first, last = (scores.argmax(-1) for scores in _scores(outputs, batch))
        right = (first == batch["first"]) & (last == batch["last"])
        right &= jnp.isfinite(outputs).all((1, 2))
        return {"windows": ratio_sums(right, jnp.ones(len(outputs)))}

    def listed(self, outputs: Array, batch: Batch) -> dict[str, Array]:
        """Return the best span of every window, with what it is read from and compared with."""
        found = best_spans(
            outputs, batch["readable"] > 1, batch["readable"] > 0,
            candidates=self.nbest, longest=self.longest,
        )  # fmt: skip
        row = jnp.arange(len(outputs))
        return {
            "begin": batch["begins"][row, found.first].astype(jnp.int32),
            "end": batch["ends"][row, found.last].astype(jnp.int32),
            "score": found.score,
            **{name: batch[name] for name in ("question", TEXT, ANSWERS)},
        }

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return the share of right windows; where answers are listed, exact match and F1."""
        found = {}
        if (windows := share_of(sums["windows"])) is not None:
            found["window_accuracy"] = windows
        if LISTED not in sums:
            return found
        read = list(zip(*answered(sums[LISTED]), strict=True))
        exact = [exact_match(answer, right) for answer, right in read]
        overlap = np.array([overlap_f1(answer, right) for answer, right in read])
        error = overlap.std() / len(read) ** 0.5 if len(read) > 1 else np.nan
        return {
            "f1": accuracy.within(overlap.mean(), error, len(read)),
            "exact_match": accuracy.share(sum(exact), len(read)).measured(),
            **found,
        }


def _scores(outputs: Array, batch: Batch) -> tuple[Array, Array]:
    """Return the scores of beginnings and ends, (B, L) each, of which padding is none."""
    there = jnp.asarray(batch[PART]) > 0
    first, last = (jnp.where(there, outputs[..., k], jnp.finfo(jnp.float32).min) for k in (0, 1))
    return first, last


def answered(listed: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the answer to every question, and the right ones.

    Args:
        listed: what `QuestionAnswering.listed` returned of all windows. Of windows of equal scores
            the first counts, and where no window has a span, '' is the answer.
    """
    each = {name: np.asarray(values) for name, values in listed.items()}
    order = np.lexsort((-each["score"], each["question"]))
    _, begins = np.unique(each["question"][order], return_index=True)
    texts, right = [], []
    for window in order[begins]:
        text = each[TEXT][window].tobytes()
        if not np.isfinite(each["score"][window]):
            text = b""
        texts.append(text[each["begin"][window] : each["end"][window]].decode(errors="replace"))
        own = each[ANSWERS][window].tobytes().split(bytes([END]))
        right.append([one.decode() for one in own if one])
    return texts, right
