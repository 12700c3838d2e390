"""Settings of evaluations: what is measured, and certification.

Attacks and measures are families whose registries stand beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.lengths import why_not_noise, why_not_radius
from rtickets.attacks.settings import AttackConfig
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.evaluation.measures.base import MeasureConfig
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.settings.kinds import STRICT, Fraction, Label, NotNegative, Positive, Seed


@dataclass(frozen=True, config=STRICT)
class SmoothingConfig:
    """Certification by randomized smoothing (Cohen et al. 2019).

    Attributes:
        sigma: standard deviation of the noise, in pixel units.
        selection_samples: noisy copies that choose the class.
        samples: noisy copies that bound its probability; 100,000 in the paper.
        alpha: probability that a certificate is wrong.
        radii: L2 radii in pixel units at which certified accuracy is reported.
        examples: measure on so many images only, spread evenly over the split; None takes all.
        batch_size: noisy copies per call.
    """

    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.25
    selection_samples: Positive = 100
    samples: Positive = 10_000
    alpha: Fraction = 0.001
    radii: tuple[NotNegative, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    examples: Positive | None = 500
    batch_size: Positive = 256

    @model_validator(mode="after")
    def _check(self) -> "SmoothingConfig":
        if why := why_not_noise(self.sigma):
            raise ValueError(why)
        return self

    def check_lengths(self, shape: Sequence[int]) -> None:
        """Raise InputError for radii that are certainly mistakes for images of (H, W, C)."""
        for radius in self.radii:
            if why := why_not_radius(radius, "l2", shape, "radii"):
                raise InputError(f"smoothing: {why}")


@dataclass(frozen=True, config=STRICT)
class EvaluateConfig:
    """Measurements on a test split.

    Attributes:
        ticket: run folder or ticket folder; a study fills it in.
        data: the task; None is the one the ticket was last trained on.
        split: 'test', or 'validation' for choosing settings.
        measures: further measures by label, beside those of the task.
        attacks: attacks by label.
        attack_examples: attack only so many examples, spread evenly over the split; None is all.
        batch_size: examples per call, over all devices; rounded up to a multiple of them.
        seed: of the attacks and of the smoothing noise.
        honesty_examples: run the checks that say whether robust accuracies can be trusted on so
            many of the attacked examples, wherever there is an attack; 0 leaves them out, and the
            verdict is then "not checked".
        save_images: keep the adversarial images of every attack in the run folder.
        smoothing: certify by randomized smoothing, or None.
        recalibrate: measure under normalisation statistics that are estimated anew on training
            images of the data, without labels; None measures under the network's own.
    """

    ticket: str | None = None
    data: DataConfig | None = None
    split: Literal["test", "validation"] = "test"
    measures: Mapping[Label, MeasureConfig] = field(default_factory=dict)
    attacks: Mapping[Label, AttackConfig] = field(default_factory=dict)
    attack_examples: Positive | None = None
    batch_size: Positive = 256
    seed: Seed = 0
    honesty_examples: Annotated[int, Field(ge=0)] = 64
    save_images: bool = False
    smoothing: SmoothingConfig | None = None
    recalibrate: RecalibrateConfig | None = None

    @property
    def reads_task(self) -> bool:
        """Whether images are read, of the network's task where `data` is None."""
        return True

    @model_validator(mode="after")
    def _check(self) -> "EvaluateConfig":
        if taken := [name for name in ("clean", "certified") if name in self.attacks]:
            raise ValueError(
                f"an attack cannot be called {taken[0]!r}: results and reports call examples "
                "without an attack 'clean', and smoothing 'certified'"
            )
        held_out = [label for label, each in self.measures.items() if each.needs_validation]
        if self.split == "validation" and held_out:
            raise ValueError(
                f"measures.{held_out[0]} chooses on validation examples, so split='validation' "
                "cannot be what it is measured on; take split='test' or leave it out"
            )
        return self

    def check_lengths(self, shape: Sequence[int]) -> None:
        """Raise InputError for radii and steps that are certainly mistakes for images (H, W, C)."""
        for label, attack in self.attacks.items():
            attack.check_lengths(f"attacks.{label}", shape)
        if self.smoothing is not None:
            self.smoothing.check_lengths(shape)
