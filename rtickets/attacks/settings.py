"""What an attack is to a configuration: frozen settings that know their search and its cost.

An entry of the registry is a subclass with the fields that only it has, and with `search`, what an
ensemble runs (`rtickets.attacks.search.Search`: start, step, evaluations). What others ask of it
are attributes: whether it needs images, whether it goes without gradients, what a step costs, why
it is not for training. So dry runs, checks and reports know no attack by name.

To add one, write a subclass in a file of its own, beside its search, and announce it in
`rtickets.attacks.registry`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from rtickets.attacks.lengths import why_not_noise, why_not_radius, why_not_step
from rtickets.attacks.losses import LossName
from rtickets.attacks.projections import Norm
from rtickets.attacks.search import Search
from rtickets.errors import InputError
from rtickets.settings.kinds import STRICT, NotNegative, Positive
from rtickets.settings.variants import Variant

IMAGE_GRADIENT = 2.0  # forward passes that a gradient to the images takes, with that of the loss
_ONCE = {
    "num_steps": None, "step_size": None, "random_start": True, "loss": "ce", "rule": "steepest",
    "best": False, "restarts": 1, "num_targets": 9, "version": "standard", "input_noise": 0.0,
    "samples": 20,
}  # fmt: skip
"""Fields that every stored attack had once, whether it used them or not, with their defaults."""


@dataclass(frozen=True, config=STRICT)
class AttackConfig(Variant):
    """An attack in a ball.

    Attributes:
        name: which attack.
        norm: 'linf', 'l2' or 'l1'.
        eps: radius in pixel units.
        radii: in an evaluation, further radii to measure at, for a curve; the step follows.
    """

    family: ClassVar[str] = "attack"
    entries: ClassVar[dict[str, Any]] = {}
    norm: Norm = "linf"
    eps: NotNegative = 8 / 255
    radii: tuple[NotNegative, ...] = ()

    # What an attack without such fields has; subclasses may make fields of them.
    restarts = 1
    input_noise = 0.0
    samples = 20
    # What others may ask; subclasses say otherwise.
    usual_steps = 100
    is_search = True  # not another attack, or several, under a name of its own
    plain = False  # whether the fields of a Member say all about it
    needs_images = False  # (B, H, W, C), no vectors or sequences
    black_box = False  # without gradients
    ensemble = cast(Any, None)  # the version of one that it stands for

    @property
    def kind(self) -> str:
        """The entry whose search it runs."""
        return self.name

    @property
    def steps(self) -> int:
        """The number of steps."""
        return getattr(self, "num_steps", None) or self.usual_steps

    @property
    def step(self) -> float:
        """The length of a step of attacks that do not choose their own, in pixel units."""
        return 0.0

    @property
    def targets(self) -> int | None:
        """The number of classes it aims at, None where it does not."""
        return getattr(self, "num_targets", None)

    @property
    def loss_name(self) -> LossName | None:
        """The loss that it maximises, where it is one of `rtickets.attacks.losses`."""
        return None

    def search(self, norm: Norm, num_classes: int, samples: int) -> Search:
        """Return what the ensembles run, the same for all restarts and radii.

        Args:
            norm: norm of the ball.
            num_classes: width of the logits.
            samples: draws of a random model per evaluation, 0 for one that takes no key.

        Returns:
            The search.
        """
        raise NotImplementedError

    def member_fields(self) -> dict[str, Any]:
        """Return what else a `rtickets.attacks.Member` of it holds."""
        return {} if self.plain else {"settings": self}

    def passes_per_step(self, classes: int) -> float:
        """Return how many forward passes a step takes per image, with so many classes."""
        return IMAGE_GRADIENT

    @property
    def training_evaluations(self) -> int:
        """The evaluations with gradients that it takes in training."""
        return self.steps

    @property
    def why_not_for_training(self) -> str | None:
        """Say why it is for evaluations alone, or None where it is not."""
        return (
            f"attack {self.name!r} with {self.restarts} restarts, radii={self.radii} and "
            f"input_noise={self.input_noise:g} is not for training; choose 'pgd', 'fgsm' or "
            "'fgsm_rs' without restarts, radii and noise"
        )

    @property
    def needs_classes(self) -> bool:
        """Whether it is of logits over classes alone, instead of any loss with a gradient."""
        return True

    def as_pgd(self) -> dict[str, Any]:
        """Return the keyword arguments of `rtickets.attacks.pgd` for an attack of training.

        Raises:
            InputError: for another attack.
        """
        raise InputError(self.why_not_for_training or f"attack {self.name!r} is no form of PGD")

    @classmethod
    def _upgraded(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        own = cls.__dataclass_fields__
        return {k: v for k, v in values.items() if k in own or k not in _ONCE or v != _ONCE[k]}

    @model_validator(mode="after")
    def _check(self) -> "AttackConfig":
        if self.restarts > 1 and not getattr(self, "random_start", True):
            raise ValueError(f"restarts={self.restarts} are all alike without random_start")
        if not self.input_noise and self.samples != AttackConfig.samples:
            raise ValueError(f"samples={self.samples} are all alike without input_noise; set both")
        if problems := "; ".join(self._too_long(None)):
            raise ValueError(problems)
        return self

    def _too_long(self, shape: Sequence[int] | None) -> Iterator[str]:
        """Yield what is certainly wrong with lengths, for images of a shape (H, W, C) if known."""
        step = getattr(self, "step_size", None)
        ratio = 0.0 if step is None else step / (self.eps or 1.0)
        checked = (
            why_not_radius(self.eps, self.norm, shape),
            *(why_not_radius(radius, self.norm, shape, "radii") for radius in self.radii),
            why_not_step(step or 0.0, self.eps, self.norm, shape),
            *(
                why_not_step(ratio * radius, radius, self.norm, shape, f"step_size at {radius:g}")
                for radius in self.radii
                if self.eps  # else the step is the same at all radii
            ),
            why_not_noise(self.input_noise, "input_noise"),
        )
        yield from filter(None, checked)

    def check_lengths(self, label: str, shape: Sequence[int]) -> None:
        """Check radii and step where the shape of images is known, which bounds 'l2' and 'l1' too.

        Args:
            label: what the attack is called.
            shape: (H, W, C).

        Raises:
            InputError: for lengths that are certainly mistakes.
        """
        if problems := "; ".join(self._too_long(shape)):
            raise InputError(f"{label}: {problems}")


@dataclass(frozen=True, config=STRICT)
class Noisy(AttackConfig):
    """An attack that also works against random networks.

    Attributes:
        input_noise: in an evaluation, attack the network with Gaussian noise of this standard
            deviation on its input, in pixel units, drawn anew at every evaluation.
        samples: with input_noise, draws that gradients and losses are averaged over (expectation
            over transformation, Athalye et al. 2018); the accuracy is the mean over at least 100
            fresh draws per image.
    """

    input_noise: NotNegative = 0.0
    samples: Positive = 20


@dataclass(frozen=True, config=STRICT)
class Repeated(AttackConfig):
    """An attack of many steps that can be run more than once.

    Attributes:
        num_steps: number of steps, or of queries without gradients; None is the attack's usual one.
        restarts: runs from different random points.
    """

    num_steps: Positive | None = None
    restarts: Positive = 1
