"""What tasks on texts have in common."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

from pydantic.dataclasses import dataclass

from rtickets.data.images.augment import Transform
from rtickets.data.settings import DataConfig
from rtickets.data.text.settings import TextConfig
from rtickets.data.text.tokenizers import Vocabulary, vocabulary_of
from rtickets.models.bert import TEXT_INPUTS, TOKENS
from rtickets.models.inputs import Input, Inputs
from rtickets.settings.kinds import STRICT
from rtickets.tasks.arrays import ArrayTask
from rtickets.tasks.base import Batch


@dataclass(frozen=True, config=STRICT)
class TextTask(ArrayTask):
    """A task on rows of tokens, see `rtickets.models.bert`.

    Attributes:
        vocabulary: what the tokens are; the data's tokenizer fills it in, so that a ticket
            remembers what its network reads.
    """

    inputs: ClassVar[tuple[str, ...]] = TEXT_INPUTS
    vocabulary: Vocabulary | None = None

    def bound(self, config: DataConfig) -> Self:
        """Return the task with the vocabulary of the data."""
        return replace(self, vocabulary=vocabulary_of(config.text or TextConfig()))

    def seen(self, batch: Batch, changed: Any) -> Any:
        """Return the rows; `changed` is their tokens, or a dictionary with more about them."""
        if isinstance(changed, Mapping):
            return {**{name: batch[name] for name in self.inputs}, **changed}
        return super().seen(batch, changed)

    def input_spec(self, transform: Transform, stored: Mapping[str, Input]) -> Inputs:
        """Return the rows, whose tokens are those of the vocabulary."""
        found, known = super().input_spec(transform, stored), self.vocabulary
        if known is None:
            return found
        of = f"tokens ({known.digest})"
        return tuple(
            each._replace(values=known.size, of=of) if each.name == TOKENS else each
            for each in found
        )
