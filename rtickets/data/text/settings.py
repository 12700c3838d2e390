"""Settings of texts: which tokenizer, how long, which columns."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass

from rtickets.settings.kinds import STRICT, Positive
from rtickets.storage.addresses import absolute

GLOSSES = "glosses"  # the vocabulary that comes with the package


def _place(name: str) -> str:
    if not name:
        raise ValueError(f"the tokenizer is empty; give {GLOSSES!r} or a file")
    return name if name == GLOSSES else absolute(name)


@dataclass(frozen=True, config=STRICT)
class TextConfig:
    """How texts become rows of tokens.

    Attributes:
        tokenizer: 'glosses', the 4,096 word pieces that come with the package, or a file: a
            tokenizer.json of the library `tokenizers`, as it lies beside models, or a vocabulary of
            word pieces, one a line, as vocab.txt of BERT; a path or an address in a bucket.
        lowercase: whether texts are in lower case and without accents for a vocabulary file; a
            tokenizer.json says so itself.
        length: tokens of a row, with those of its beginning and end; longer texts are cut off
            there.
        pack: rows hold as many whole texts as fit, each seen by itself, instead of one and padding,
            and what is longer than a row is cut into several texts; for tasks on tokens alone.
        column: what tables call their texts.
        pair: what they call a second text that belongs to the first, None for none.
        label: what they call what a text is labelled with.
        stride: of a text in which an answer is looked for, and which is longer than a row: how many
            tokens after a row the next one begins.
        question: tokens of a question at most.
    """

    tokenizer: Annotated[str, AfterValidator(_place)] = GLOSSES
    lowercase: bool = True
    length: Annotated[int, Field(ge=4, le=65_536)] = 128
    pack: bool = False
    column: str = "text"
    pair: str | None = None
    label: str = "label"
    stride: Positive = 128
    question: Positive = 64

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what runs of before it was there do not name, where it is the usual."""
        values: dict[str, Any] = dump(self)
        for name, usual in (("stride", 128), ("question", 64)):
            if values.get(name) == usual:
                del values[name]
        return values

    @model_validator(mode="after")
    def _check(self) -> "TextConfig":
        if self.pack and self.pair is not None:
            raise ValueError(f"pack=True packs single texts, not pair={self.pair!r}; set one")
        return self
