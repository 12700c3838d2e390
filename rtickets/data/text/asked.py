"""What loading asks of tasks on texts; the tasks themselves stand in `rtickets.tasks`."""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic.dataclasses import dataclass

from rtickets.data.arrays import LABEL
from rtickets.data.checks import Classes
from rtickets.data.task_settings import TaskConfig
from rtickets.errors import InputError
from rtickets.models.bert import TEXT_INPUTS
from rtickets.settings.kinds import STRICT

if TYPE_CHECKING:
    from rtickets.data.arrays import Raw

TextMetric = Literal["accuracy", "balanced", "f1", "matthews"]
# What is asked of a text: a number, the classes of its words, a part of it.
VALUE, TAGS, SPAN = "value", "tags", "span"


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


@dataclass(frozen=True, config=STRICT)
class JudgedTextClasses(TextClasses):
    """The same, of a source that says what answers are judged by.

    Attributes:
        metric: see `rtickets.tasks.TextClassification`.
    """

    metric: TextMetric = "accuracy"


@dataclass(frozen=True, config=STRICT)
class TextNumbers(TaskConfig):
    """Of regression, the usual task of texts that have numbers."""

    inputs: ClassVar[tuple[str, ...]] = TEXT_INPUTS
    answer: ClassVar[str] = VALUE
    name: str = "text_regression"

    def check(self, raw: "Raw", name: str) -> tuple[str, ...]:
        """Check that texts have numbers."""
        if VALUE not in raw.train.arrays:
            raise InputError(
                f"{name}: its texts have {', '.join(raw.train.arrays)} and no numbers to be told; "
                "take source='table', whose column data.text.label has them"
            )
        return ()


@dataclass(frozen=True, config=STRICT)
class TextTags(TaskConfig):
    """Of token classification, the usual task of texts whose words have tags."""

    inputs: ClassVar[tuple[str, ...]] = TEXT_INPUTS
    answer: ClassVar[str] = TAGS
    name: str = "token_classification"

    def check(self, raw: "Raw", name: str) -> tuple[str, ...]:
        """Check that words have tags."""
        if TAGS not in raw.train.arrays:
            raise InputError(
                f"{name}: its words have no tags to be told; take source='tagged', and leave out "
                "data.text.pack"
            )
        return ()


@dataclass(frozen=True, config=STRICT)
class TextSpans(TaskConfig):
    """Of question answering, the usual task of texts that hold answers to questions."""

    inputs: ClassVar[tuple[str, ...]] = TEXT_INPUTS
    answer: ClassVar[str] = SPAN
    name: str = "question_answering"

    def check(self, raw: "Raw", name: str) -> tuple[str, ...]:
        """Check that there are questions."""
        if "question" not in raw.train.arrays:
            raise InputError(
                f"{name}: its texts come without questions; take source='squad', and leave out "
                "data.text.pack"
            )
        return ()
