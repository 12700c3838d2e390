"""Settings of the tool that restores a picture."""

from dataclasses import field

from pydantic import Field
from pydantic.dataclasses import dataclass

from rtickets.restoration.fits import FitConfig
from rtickets.restoration.generators import GeneratorConfig
from rtickets.restoration.mask_settings import MaskConfig
from rtickets.settings.kinds import STRICT, Positive


@dataclass(frozen=True, config=STRICT)
class RestoreConfig:
    """How pictures are restored.

    Attributes:
        generator: the network; of a ticket's mask its own counts.
        sparsity: removed part of the kernels; 0 restores with the dense network.
        mask: how the mask is learnt.
        mask_side: the mask is learnt on the picture reduced to sides of at most so many pixels.
        training: of the survivors; its steps are the most that are taken.
        tile: pictures with a longer side are restored in tiles of this side.
        overlap: pixels that tiles share, over which they are blended.
        patience: points of the history without a better loss after which a run ends.
    """

    generator: GeneratorConfig = GeneratorConfig(channels=(8, 16, 32, 64, 64), depth=8, skip=4)
    sparsity: float = Field(default=0.9, ge=0, lt=1)
    mask: MaskConfig = field(default_factory=lambda: MaskConfig(steps=600, checkpoint_every=200))
    mask_side: int = Field(default=96, ge=16)
    training: FitConfig = field(
        default_factory=lambda: FitConfig(steps=1000, learning_rate=2e-2, checkpoint_every=100)
    )
    tile: int = Field(default=512, ge=64)
    overlap: int = Field(default=32, ge=0)
    patience: Positive = 12
