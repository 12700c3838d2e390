"""What loading asks of tasks on texts; the tasks themselves stand in `rtickets.tasks`."""

from typing import TYPE_CHECKING, ClassVar

from pydantic.dataclasses import dataclass

from rtickets.data.arrays import LABEL
from rtickets.data.checks import Classes
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError
from rtickets.models.bert import TEXT_INPUTS
from rtickets.settings.kinds import STRICT

if TYPE_CHECKING:
    from rtickets.data.arrays import Raw


@dataclass(frozen=True, config=STRICT)
class TokensAlone(TaskConfig):
    """Of tasks that look at tokens alone, the usual one of texts without labels."""

    inputs: ClassVar[tuple[str, ...]] = TEXT_INPUTS
    answer: ClassVar[str] = ""
    name: str = "masked_tokens"


@dataclass(frozen=True, config=STRICT)
class TextClasses(Classes):
    """Of classification, the usual task of texts that have classes."""

    inputs: ClassVar[tuple[str, ...]] = TEXT_INPUTS
    answer: ClassVar[str] = LABEL
    name: str = "text_classification"

    def check(self, raw: "Raw", name: str) -> tuple[str, ...]:
        """Check class names and labels, and return what is odd about them."""
        if LABEL not in raw.train.arrays:
            raise InputError(
                f"{name}: its texts have no labels to tell them apart by; name the column that has "
                "them (data.text.label), leave out data.text.pack, or set "
                "data.task.name='masked_tokens'"
            )
        return super().check(raw, name)
