"""Sizes of encoders of text."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, Positive

Rate = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=STRICT)
class EncoderConfig:
    """An encoder of text; the defaults are those of BERT-base, uncased (Devlin et al. 2019).

    Attributes:
        layers: number of layers.
        hidden: features of every token.
        heads: of attention; they share the features.
        intermediate: features between the two maps of a layer; None is four times `hidden`.
        vocabulary: number of tokens, that of the tokenizer of the data.
        positions: the longest text, in tokens.
        kinds: kinds of sentences, two of pairs.
        dropout: part of the features that training sets to zero at random.
        attention_dropout: likewise of the weights of attention.
    """

    layers: Positive = 12
    hidden: Positive = 768
    heads: Positive = 12
    intermediate: Positive | None = None
    vocabulary: Positive = 30_522
    positions: Positive = 512
    kinds: Positive = 2
    dropout: Rate = 0.1
    attention_dropout: Rate = 0.1

    @property
    def inner(self) -> int:
        """Features between the two maps of a layer."""
        return self.intermediate or 4 * self.hidden

    @model_validator(mode="after")
    def _check(self) -> "EncoderConfig":
        if self.hidden % self.heads:
            raise ValueError(
                f"hidden={self.hidden} does not divide into heads={self.heads}; expected a multiple"
            )
        return self
