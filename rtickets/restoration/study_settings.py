"""Settings of a comparison of ways to restore pictures."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from rtickets.restoration.fits import SGLD, FitConfig
from rtickets.restoration.generators import SMALL, SMALL_DECODER, GeneratorConfig
from rtickets.restoration.initial_masks import ROUNDS
from rtickets.restoration.mask_settings import MaskConfig
from rtickets.settings.kinds import STRICT, Fraction, NotNegative, Positive, Seed
from rtickets.tasks.degradations import OperatorConfig

Method = Literal[
    "dense", "decoder", "sgld", "learnt", "imp", "random", "random_all", "magnitude", "snip",
    "grasp", "synflow",
]  # fmt: skip
UNMASKED = ("dense", "decoder", "sgld")


@dataclass(frozen=True, config=STRICT)
class RestorationStudyConfig:
    """Methods beside each other on the same pictures and the same noise.

    Attributes:
        pictures: image files, or names of pictures that scikit-image brings.
        size: sides that pictures are resized to, cut to a square in the middle.
        seeds: of noise, weights and what the network paints from.
        methods: 'random' is always among them, the control that leaves normalisation alone: its
            masks are over kernels, whatever is maskable to the others; 'random_all' are over all
            that is.
        sparsities: removed parts of the maskable weights.
        operator: what happens to the pictures.
        sigma: standard deviation of the noise.
        generator: the network.
        decoder: the deep decoder that 'decoder' trains.
        mask: how masks are learnt; which weights are maskable counts for all methods.
        training: of all methods but SGLD.
        sgld: of that one; its number of steps is that of `training`.
        imp_rate: part of the survivors that a round of IMP removes.
        synflow_rounds: in which SynFlow's scores are taken.
        transfer: learnt masks are also tried on all other pictures, with their 'own' weights, those
            that they were learnt on, and on all pictures with 'fresh' ones.
        published: scores as in the published comparison, see `rtickets.restoration.initial_masks`.
    """

    pictures: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "astronaut", "chelsea", "coffee", "camera",
    )  # fmt: skip
    size: Annotated[int, Field(ge=16, le=4096)] = 64
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2)
    methods: tuple[Method, ...] = (
        "dense", "learnt", "random", "decoder", "imp", "sgld", "magnitude", "synflow", "snip",
        "grasp",
    )  # fmt: skip
    sparsities: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.9, 0.95)
    operator: OperatorConfig = field(default_factory=OperatorConfig)
    sigma: NotNegative = 0.1
    generator: GeneratorConfig = SMALL
    decoder: GeneratorConfig = SMALL_DECODER
    mask: MaskConfig = field(default_factory=MaskConfig)
    training: FitConfig = field(default_factory=FitConfig)
    sgld: FitConfig = SGLD
    imp_rate: Fraction = 0.2
    synflow_rounds: Positive = ROUNDS
    transfer: tuple[Literal["own", "fresh"], ...] = ("own", "fresh")
    published: bool = False

    @model_validator(mode="after")
    def _check_differ(self) -> "RestorationStudyConfig":
        """Refuse what stands twice: it would count as two measurements, or share files."""
        stems = tuple(Path(name).stem for name in self.pictures)
        for name, values in (
            ("pictures", stems), ("seeds", self.seeds), ("sparsities", self.sparsities),
        ):  # fmt: skip
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                shown = ", ".join(map(str, twice))
                raise ValueError(
                    f"{name} has {shown} more than once; give each once, pictures by names that "
                    "differ before their endings"
                )
        return self

    @property
    def all_methods(self) -> tuple[str, ...]:
        """The methods, with the control."""
        with_control = self.methods if "random" in self.methods else (*self.methods, "random")
        return tuple(dict.fromkeys(with_control))
