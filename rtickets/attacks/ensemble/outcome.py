"""What an ensemble of attacks found."""

from typing import NamedTuple

import numpy as np

from rtickets.platform.short_html import short_table
from rtickets.platform.short_repr import with_short_repr


class Row(NamedTuple):
    """What one attack did.

    Attributes:
        attack: its name.
        attacked: number of examples that were left to it; of a random model all.
        fooled: how many of them it fooled; of a random model, those that most draws get wrong.
        robust_accuracy: share of all examples still classified correctly after it; of a random
            model the mean of `Expected.after`.
        evaluations: evaluations of the model on single examples.
        seconds: wall-clock time of this process's part.
        note: what the reader should know, or ''.
    """

    attack: str
    attacked: int
    fooled: int
    robust_accuracy: float
    evaluations: int
    seconds: float
    note: str


@with_short_repr
class Expected(NamedTuple):
    """How often a random model is right on adversarial images.

    Attributes:
        right: float (N,), the share of fresh draws under which `x_adv` is classified correctly.
        after: float32 (attacks, N), the same after every attack, of the draws that images were
            compared on; it is a little too low where several were.
        draws: number of fresh draws per image.
    """

    right: np.ndarray
    after: np.ndarray
    draws: int


@with_short_repr
class WorstCase(NamedTuple):
    """The outcome of an ensemble.

    A random model is right on an image in some draws and not in others. All of its images are
    attacked by all attacks to the end, and `x_adv` is the image with the lowest mean over draws:
    `accuracy` is what to report. Where the other fields want a yes or no, the majority decides.

    Attributes:
        x_adv: float32 images (N, H, W, C): misclassified ones in the ball, and the clean images
            of examples that resisted or were wrong to begin with.
        correct: bool (N,), whether the clean image is classified correctly.
        fooled_by: object (N,), name of the attack that fooled the example, '' for none.
        rows: one per attack.
        recomputed: bool (N,), whether `x_adv`, evaluated once more, is classified correctly.
        broken: bool (N,), whether a gradient of an attack had entries that were not finite, which
            were taken as 0.
        expected: of a random model, how often it is right; None for one that is not random.
    """

    x_adv: np.ndarray
    correct: np.ndarray
    fooled_by: np.ndarray
    rows: tuple[Row, ...]
    recomputed: np.ndarray
    broken: np.ndarray
    expected: Expected | None = None

    @property
    def accuracy(self) -> np.ndarray:
        """How often an example is classified correctly under the attacks, float (N,)."""
        return self.robust.astype(float) if self.expected is None else self.expected.right

    @property
    def robust(self) -> np.ndarray:
        """Whether an example is classified correctly and resisted every attack, bool (N,)."""
        return self.correct & (self.fooled_by == "")

    def _repr_html_(self) -> str:
        """Return a table of the attacks, for notebooks."""
        title = (
            f"WorstCase: {len(self.correct):,} examples, {self.correct.mean():.1%} right without "
            f"an attack, {self.accuracy.mean():.1%} under all"
            if len(self.correct)
            else "WorstCase: no examples"
        )
        rows = [
            (row.attack, row.attacked, row.fooled, f"{row.robust_accuracy:.1%}", row.evaluations,
             f"{row.seconds:.1f}", row.note)
            for row in self.rows
        ]  # fmt: skip
        head = ("attack", "attacked", "fooled", "robust accuracy", "evaluations", "seconds", "note")
        return short_table(title, head, rows)
