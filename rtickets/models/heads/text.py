"""Heads on encoders of text: on what is pooled, on every token, and on the words themselves."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from rtickets.errors import InputError
from rtickets.models.bert import EPSILON, WORDS, init
from rtickets.models.network import Features, LinearHead


class TextHead(LinearHead):
    """A linear map of the pooled features, drawn as BERT's."""

    kernel_init: Any = init


class PlacesHead(nn.Module):
    """A linear map of what is found at every token.

    Attributes:
        width: of the answers.
    """

    width: int

    @nn.compact
    def __call__(self, found: Features) -> Array:
        """Return float32 (B, L, width)."""
        last = list(found.levels.values())[-1].astype(jnp.float32)
        return nn.Dense(self.width, kernel_init=init, name="out")(last)


class WordsHead(nn.Module):
    """BERT's head for hidden tokens: a map, GELU, normalisation, and the embeddings turned round.

    Attributes:
        width: number of tokens of the vocabulary.
    """

    width: int

    @nn.compact
    def __call__(self, found: Features) -> Array:
        """Return float32 logits (B, L, width)."""
        if WORDS not in found.shared:
            raise InputError(
                "the head for masked tokens shares the embeddings of the network, which has none; "
                "choose model.arch='bert'"
            )
        words, last = found.shared[WORDS], list(found.levels.values())[-1]
        x = nn.Dense(last.shape[-1], dtype=last.dtype, kernel_init=init, name="transform")(last)
        x = nn.LayerNorm(EPSILON, dtype=last.dtype, name="norm")(nn.gelu(x, approximate=False))
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        scores = jnp.einsum(
            "blh,vh->blv", x, words.astype(x.dtype), preferred_element_type=jnp.float32
        )
        return scores + bias
