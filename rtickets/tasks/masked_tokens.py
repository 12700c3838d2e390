"""Masked tokens: which stood where a text is hidden (Devlin et al. 2019, section 3.1)."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.data.arrays import Dataset
from rtickets.data.images.augment import Transform
from rtickets.data.text.asked import TokensAlone
from rtickets.errors import InputError, NothingCountedError
from rtickets.models.bert import PART, TOKENS
from rtickets.models.heads.text import WordsHead
from rtickets.settings.kinds import STRICT
from rtickets.tasks.base import Batch, Headline, Measured, Reduce, Sums, alone
from rtickets.tasks.ratios import mean_of, ratio_sums, share_of
from rtickets.tasks.texts import TextTask
from rtickets.tasks.units import SHARE

WORD, HIDDEN = "word", "hidden"  # what batches call the tokens as they were, and which are asked
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class MaskedTokens(TokensAlone, TextTask):
    """The network answers logits of tokens (B, L, vocabulary); those that were hidden count.

    Training hides others whenever it sees a text; elsewhere what is hidden follows from the text,
    so that every evaluation asks the same.

    Attributes:
        rate: part of the tokens that is asked, each with this probability.
        masked: part of these that the mask stands for.
        random: part of them that tokens drawn at random stand for; the rest stays as it is.
    """

    answers: ClassVar[str] = "tokens"
    head: ClassVar[Any] = WordsHead
    headline: ClassVar[Any] = Headline("masked_accuracy", SHARE, words="masked-token accuracy")
    beside_head: ClassVar[frozenset[str]] = frozenset({"rate", "masked", "random"})
    name: Literal["masked_tokens"] = "masked_tokens"
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.15
    masked: Share = 0.8
    random: Share = 0.1

    @model_validator(mode="after")
    def _check(self) -> "MaskedTokens":
        if self.masked + self.random > 1 + 1e-9:
            raise ValueError(f"masked={self.masked} and random={self.random} add up to more than 1")
        return self

    def about(self, dataset: Dataset) -> dict[str, Any]:
        """Return which vocabulary the head answers in."""
        del dataset
        if self.vocabulary is None:
            raise InputError("masked_tokens needs a vocabulary: give it a source of texts")
        return {"vocabulary": self.vocabulary.digest, "tokens": self.vocabulary.size}

    def width(self, about: Mapping[str, Any]) -> int:
        """Return the number of tokens."""
        if not about.get("tokens"):
            raise InputError(
                "the ticket's head knows no vocabulary, so it can tell no tokens; pretrain or "
                "transfer it on masked tokens first"
            )
        return int(about["tokens"])

    def prepare(self, transform: Transform, raw: Batch) -> Batch:
        """Return texts of which is hidden what they themselves decide."""
        del transform
        tokens, there = raw[TOKENS], raw[PART] > 0
        odd = jnp.arange(tokens.shape[1], dtype=jnp.uint32) * 2 + 1
        mixed = (tokens.astype(jnp.uint32) + 1) * odd * jnp.uint32(2_654_435_761)
        keys = jax.vmap(jax.random.key)(jnp.where(there, mixed, 0).sum(1, dtype=jnp.uint32))
        return self._hide(keys, raw)

    def augment(self, transform: Transform, keys: Array, raw: Batch) -> Batch:
        """Return texts of which is hidden what keys decide."""
        del transform
        return self._hide(keys, raw)

    def _hide(self, keys: Array, raw: Batch) -> Batch:
        known, tokens = self.vocabulary, raw[TOKENS]
        assert known is not None  # whoever makes batches has data, which fill it in
        length = tokens.shape[1:]
        asked, how, others = jnp.moveaxis(
            jax.vmap(lambda key: jax.random.split(key, 3))(keys), 1, 0
        )
        asks, kind = (
            jax.vmap(lambda key: jax.random.uniform(key, length))(each) for each in (asked, how)
        )
        drawn = jax.vmap(lambda key: jax.random.randint(key, length, 0, known.size))(others)
        ordinary = jnp.isin(tokens, jnp.array(known.special), invert=True) & (raw[PART] > 0)
        hidden = ordinary & (asks < self.rate)
        stands = jnp.where(kind < self.masked + self.random, drawn, tokens)
        stands = jnp.where(kind < self.masked, known.hidden, stands).astype(tokens.dtype)
        return {**raw, TOKENS: jnp.where(hidden, stands, tokens), WORD: tokens, HIDDEN: hidden}

    def loss(self, outputs: Array, batch: Batch, reduce: Reduce = alone) -> Array:
        """Return cross-entropies such that their mean is that over all tokens that are asked."""
        asked = batch[HIDDEN]
        losses = jnp.where(asked, self._losses(outputs, batch), 0).sum(1)
        count, examples = reduce((asked.sum(), jnp.int32(len(asked))))
        return losses * examples / jnp.maximum(count, 1)

    def _losses(self, outputs: Array, batch: Batch) -> Array:
        return optax.softmax_cross_entropy_with_integer_labels(outputs, batch[WORD])

    def sums(self, outputs: Array, batch: Batch) -> Sums:
        """Return how many of the asked tokens are right, and their cross-entropy."""
        asked = batch[HIDDEN]
        right = asked & (outputs.argmax(-1) == batch[WORD]) & jnp.isfinite(outputs.max(-1))
        count, losses = asked.sum(1), jnp.where(asked, self._losses(outputs, batch), 0).sum(1)
        return {"right": ratio_sums(right.sum(1), count), "loss": ratio_sums(losses, count)}

    def measures(self, sums: Mapping[str, Any]) -> dict[str, Measured]:
        """Return the accuracy at asked tokens, and the perplexity: e to the mean cross-entropy."""
        right, loss = share_of(sums["right"]), mean_of(sums["loss"])
        if right is None or loss is None:
            raise NothingCountedError("no token was asked; take longer texts, or more of them")
        most = np.log(np.finfo(np.float64).max)
        low, value, high = (
            float(np.exp(min(each, most))) for each in (loss.low, *loss[:1], loss.high)
        )
        return {
            self.headline.name: right,
            "perplexity": Measured(value, low, high, "", higher_is_better=False),
        }
