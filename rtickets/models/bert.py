"""BERT (Devlin et al. 2019): an encoder of text with normalisation after every sum.

Its inputs are arrays (B, L) of integers by name:

    tokens   numbers of the vocabulary
    part     to which of the texts of a row a token belongs, from 1 on; 0 is padding. Tokens see
             those of their own text alone, whose positions count from its first token, so that
             neither padding nor other texts in the row change what is found in one
    segment  which sentence of its text, from 0 on

All kernels are matrices (inputs, outputs), those of attention too, whose heads lie side by side in
the outputs of query, key and value.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.models.architectures import Request
from rtickets.models.drop import dropout, layer_keys
from rtickets.models.encoder_settings import EncoderConfig
from rtickets.models.inputs import Inputs
from rtickets.models.network import BackboneAndHead, Features, LinearHead

EPSILON = 1e-12
TOKENS, PART, SEGMENT = "tokens", "part", "segment"
SHIFT = "shift"  # see `Bert.features`
TEXT_INPUTS = (TOKENS, PART, SEGMENT)
WORDS = "words"  # what the table of embeddings is called among `Features.shared`
init = nn.initializers.normal(0.02)  # of kernels and embeddings


def positions(part: Array) -> Array:
    """Return the place of every token (B, L) in its own text, from 0 on."""
    index = jnp.broadcast_to(jnp.arange(part.shape[1]), part.shape)
    begins = jnp.pad(part[:, 1:] != part[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    return index - jax.lax.cummax(jnp.where(begins, index, 0), axis=1)


class Attention(nn.Module):
    """What every token finds in the tokens of its own text."""

    config: EncoderConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, same: Array, keys: Array | None) -> Array:
        """Map (B, L, hidden) to the same shape; `same`, bool (B, L, L), says who sees whom."""
        hidden, heads = self.config.hidden, self.config.heads

        def projected(name: str) -> Array:
            found = nn.Dense(hidden, dtype=self.dtype, kernel_init=init, name=name)(x)
            return found.reshape(*x.shape[:2], heads, -1)

        query, key, value = (projected(name) for name in ("query", "key", "value"))
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key).astype(jnp.float32)
        scores = scores / (hidden // heads) ** 0.5
        scores = jnp.where(same[:, None], scores, jnp.finfo(jnp.float32).min)
        weights = dropout(jax.nn.softmax(scores), keys, self.config.attention_dropout)
        seen = jnp.einsum("bhqk,bkhd->bqhd", weights.astype(self.dtype), value)
        out = nn.Dense(hidden, dtype=self.dtype, kernel_init=init, name="out")
        return out(seen.reshape(*x.shape[:2], -1))


class Layer(nn.Module):
    """Attention and two maps with GELU between them, each added to what came in and normalised."""

    config: EncoderConfig
    dtype: Any

    @nn.compact
    def __call__(self, x: Array, same: Array, keys: Array | None) -> Array:
        """Map (B, L, hidden) to the same shape."""
        config, rate = self.config, self.config.dropout
        attention = Attention(config, self.dtype, name="attention")
        found = dropout(attention(x, same, layer_keys(keys, 0)), layer_keys(keys, 1), rate)
        x = nn.LayerNorm(EPSILON, dtype=self.dtype, name="attention_norm")(x + found)
        inner = nn.Dense(config.inner, dtype=self.dtype, kernel_init=init, name="intermediate")
        outer = nn.Dense(config.hidden, dtype=self.dtype, kernel_init=init, name="output")
        found = dropout(outer(nn.gelu(inner(x), approximate=False)), layer_keys(keys, 2), rate)
        return nn.LayerNorm(EPSILON, dtype=self.dtype, name="output_norm")(x + found)


class Bert(BackboneAndHead):
    """BERT from tokens to what a head makes of them.

    Attributes:
        num_classes: width of the head.
        config: the sizes.
        dtype: compute precision of the backbone.
        make_head: makes the head of `num_classes`.
    """

    num_classes: int
    config: EncoderConfig
    dtype: Any = jnp.float32
    make_head: Callable[[int], nn.Module] = LinearHead

    epsilon = EPSILON

    @property
    def draws(self) -> bool:
        """Whether training drops something."""
        return bool(self.config.dropout or self.config.attention_dropout)

    def check_inputs(self, inputs: Inputs) -> None:
        """Raise InputError for inputs that are no text, or of another size than the network's."""
        found, config = {each.name: each for each in inputs}, self.config
        if set(found) != set(TEXT_INPUTS):
            raise InputError(
                f"arch='bert' reads {', '.join(TEXT_INPUTS)}, the examples have "
                f"{', '.join(map(str, inputs))}; choose another model.arch, or a source of text"
            )
        (length,), values = found[TOKENS].shape, found[TOKENS].values
        if length > config.positions:
            raise InputError(
                f"texts have {length} tokens, model.encoder.positions={config.positions}; set "
                "data.text.length to at most that"
            )
        if values not in (0, config.vocabulary):
            raise InputError(
                f"model.encoder.vocabulary={config.vocabulary}, but the tokenizer of the data "
                f"knows {values} tokens; set it to {values}"
            )
        if (sentences := found[SEGMENT].values) > config.kinds:
            raise InputError(
                f"the texts are pairs, whose sentences are of {sentences} kinds, and "
                f"model.encoder.kinds={config.kinds}; set it to {sentences} (of a ticket: take one "
                "of such an encoder), or take single texts (leave out data.text.pair)"
            )

    @nn.compact
    def features(self, x: Any, train: bool = False, keys: Array | None = None) -> Features:
        """Return what is found in texts after every layer.

        Args:
            x: see the head of this file; also `shift`, float32 (B, L, hidden), which is added to
                the embeddings of words, such as by an attack on them.
            train: whether to drop something, by the keys.
            keys: a PRNG key per row; None drops nothing.

        Returns:
            Levels (B, L, hidden), 'embedding' and 'layer1' on; as `pooled` what the pooler makes of
            the first token; as `shared` the embeddings (vocabulary, hidden).
        """
        config, keys = self.config, keys if train else None
        words = nn.Embed(
            config.vocabulary, config.hidden, embedding_init=init, name="word_embeddings"
        )
        part = x[PART]
        summed = (
            words(x[TOKENS])
            + self._embedded("position_embeddings", config.positions, positions(part))
            + self._embedded("segment_embeddings", config.kinds, x[SEGMENT].astype(jnp.int32))
        )
        if SHIFT in x:
            summed = summed + self._shift(x[SHIFT], summed.shape)
        found = nn.LayerNorm(EPSILON, dtype=self.dtype, name="embedding_norm")(summed)
        found = dropout(found, layer_keys(keys, 0), config.dropout)
        levels = {"embedding": found}
        same = part[:, :, None] == part[:, None, :]
        for number in range(1, config.layers + 1):
            layer = Layer(config, self.dtype, name=f"layer{number}")
            found = levels[f"layer{number}"] = layer(found, same, layer_keys(keys, number))
        pooler = nn.Dense(config.hidden, dtype=self.dtype, kernel_init=init, name="pooler")
        first = jnp.tanh(pooler(found[:, 0]).astype(jnp.float32))
        first = dropout(first, layer_keys(keys, config.layers + 1), config.dropout)
        return Features(levels, first, {WORDS: words.embedding})

    def _shift(self, shift: Array, shape: tuple[int, ...]) -> Array:
        if shift.shape != shape:
            raise InputError(
                f"embeddings are moved by vectors of {shift.shape[-1]} features, and "
                f"model.encoder.hidden={self.config.hidden}; set train.objective.features to that"
            )
        return shift

    def _embedded(self, name: str, count: int, numbers: Array) -> Array:
        return nn.Embed(count, self.config.hidden, embedding_init=init, name=name)(numbers)

    def __call__(self, x: Any, train: bool = False, keys: Array | None = None) -> Any:
        """Return what the head makes of the features."""
        return self.answer(self.features(x, train, keys), train)


def make_bert(asked: Request) -> Bert:
    """Return BERT of the sizes that are asked for."""
    shared = {name: asked.shared[name] for name in ("dtype", "make_head")}
    return Bert(asked.num_classes, asked.encoder or EncoderConfig(), **shared)
