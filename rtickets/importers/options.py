"""What a file may not say about its network."""

from pathlib import Path
from typing import NamedTuple

from rtickets.importers.layouts import Statistics
from rtickets.importers.parity import Reference
from rtickets.importers.state_dicts import Weights
from rtickets.importers.wrappers import Choice
from rtickets.models.settings import Activation, Variant


class Options(NamedTuple):
    """What a file may not say.

    Attributes:
        key: where in the file the state dict lies, parts joined with '.'; None finds it.
        statistics: mean and standard deviation of pixels in [0, 1], per channel in the order red,
            green, blue; None takes what the file states, else what its layout usually has.
        bgr: the network takes blue first; its first convolution is turned round.
        image_size: height and width of its images; None is 224, or 32 for a small stem.
        class_names: its classes; None is what the file says, ImageNet's for 1,000 of them, else
            class_0, class_1, ...
        reference: what the original computes, to be compared with.
        prefix: what the names of the network begin with; None finds it.
        ignore: regular expression of whole names of tensors to leave out, or None.
        weights: of several networks, take the 'raw' weights or their running average, 'ema'; None
            takes the raw ones.
        variant: of the architecture; None is what the layout tells, else the usual one.
        activation: None is the usual one of the variant.
        epsilon: that normalisation adds to variances; None is the usual one.
        scores_keep: share of the weights of every layer that learnt scores keep, or None.
        zeros_are_pruned: prunable weights that are exactly zero are pruned.
        heads: of an encoder's attention; None is what its config.json says.
        tokenizer: the file of an encoder's tokenizer; None is the one beside it.
        text_reference: what the original of an encoder computes, an .npz file, see
            `rtickets.importers.text.reference`.
    """

    key: str | None = None
    statistics: Statistics | None = None
    bgr: bool = False
    image_size: int | None = None
    class_names: tuple[str, ...] | None = None
    reference: Reference | None = None
    prefix: str | None = None
    ignore: str | None = None
    weights: Weights | None = None
    variant: Variant | None = None
    activation: Activation | None = None
    epsilon: float | None = None
    scores_keep: float | None = None
    zeros_are_pruned: bool = False
    heads: int | None = None
    tokenizer: Path | None = None
    text_reference: Path | None = None

    @property
    def choice(self) -> Choice:
        """Which names of the file are meant."""
        return Choice(self.prefix, self.ignore, self.weights)

    @property
    def settled(self) -> tuple[str, ...]:
        """The options given that say which of several networks alike it is."""
        named = {
            "--variant": self.variant, "--activation": self.activation, "--epsilon": self.epsilon,
        }  # fmt: skip
        return tuple(name for name, value in named.items() if value is not None)
