"""Recipes as configurations: published ones of ImageNet and transfer, and a small one of our own.

Pretraining is that of Salman et al. 2020 ("Do adversarially robust ImageNet models transfer
better?"), transfer that of Fu et al. 2023, whose tuned radii and learning rates per data set are
Salman's. Radii are in pixel units at 224 pixels.
"""

from typing import Literal, NamedTuple, get_args

from rtickets.attacks.settings import AttackConfig
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.training.objectives import Adversarial, ObjectiveConfig
from rtickets.training.optimizers import OptimizerConfig
from rtickets.training.settings import TrainConfig

ImageNetArch = Literal["resnet18", "resnet50"]
Mode = Literal["finetune", "linear"]

L2_RADII = (0.01, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 5.0)
LINF_RADII = (0.5, 1.0, 2.0, 4.0, 8.0)  # times 1/255

_UPSCALED = DataConfig(
    image_size=224, resize=256, random_resized_crop=True, flip=True, crop_padding=0
)


class Tuned(NamedTuple):
    """What was tuned for one data set, network and mode.

    Attributes:
        eps: L2 radius that the best source network was trained with; 0 is natural training.
        learning_rate: the best one.
        accuracy: the published accuracy in %, by the metric of the data set.
    """

    eps: float
    learning_rate: float
    accuracy: float


# finetune and linear with a ResNet-18, then with a ResNet-50
_TUNED: dict[str, tuple[Tuned, Tuned, Tuned, Tuned]] = {
    "cifar10": (
        Tuned(3, 1e-3, 97.14), Tuned(3, 1e-2, 91.64), Tuned(3, 1e-3, 98.27), Tuned(3, 1e-2, 94.81),
    ),
    "cifar100": (
        Tuned(1, 1e-3, 84.41), Tuned(3, 1e-2, 74.01), Tuned(3, 1e-3, 87.45), Tuned(3, 1e-2, 79.50),
    ),
    "caltech101": (
        Tuned(0, 1e-3, 92.06), Tuned(0.1, 1e-2, 89.49), Tuned(0.03, 1e-3, 94.61),
        Tuned(1, 1e-2, 91.07),
    ),
    "dtd": (
        Tuned(0, 1e-3, 72.34), Tuned(0, 1e-2, 67.13), Tuned(0.01, 1e-3, 75.53),
        Tuned(0.01, 1e-2, 70.59),
    ),
    "oxford_flowers102": (
        Tuned(0, 1e-2, 96.22), Tuned(0.1, 1e-2, 91.36), Tuned(0.01, 1e-2, 96.98),
        Tuned(0.1, 1e-2, 91.46),
    ),
    "food101": (
        Tuned(0.01, 1e-3, 84.06), Tuned(0.03, 1e-2, 60.26), Tuned(0, 1e-2, 87.71),
        Tuned(0.05, 1e-2, 66.03),
    ),
    "oxford_iiit_pet": (
        Tuned(0, 1e-3, 92.05), Tuned(0, 1e-2, 89.78), Tuned(0.05, 1e-3, 93.71),
        Tuned(0.03, 1e-2, 91.32),
    ),
    "cars196": (
        Tuned(0, 1e-2, 88.22), Tuned(0.1, 1e-2, 45.67), Tuned(0, 1e-2, 91.49),
        Tuned(0.5, 1e-2, 47.38),
    ),
    "fgvc-aircraft": (
        Tuned(0, 1e-2, 80.89), Tuned(0.5, 1e-2, 41.91), Tuned(0.01, 1e-2, 86.14),
        Tuned(1, 1e-2, 42.15),
    ),
    "sun397": (
        Tuned(0, 1e-3, 59.58), Tuned(0, 1e-2, 51.77), Tuned(0, 1e-3, 62.38),
        Tuned(0.01, 1e-2, 54.88),
    ),
}  # fmt: skip


def tuned(source: str, arch: ImageNetArch, mode: Mode) -> Tuned | None:
    """Return what was tuned for a data set, network and mode, None where nothing is published."""
    if source not in _TUNED:
        return None
    return _TUNED[source][2 * (arch == "resnet50") + (mode == "linear")]


def fashion(objective: ObjectiveConfig | None = None) -> PretrainConfig:
    """Return the small run that objectives are compared by, on bundled images of Fashion-MNIST.

    It takes about a minute on two CPU cores. An objective of None trains naturally.
    """
    return PretrainConfig(
        data=DataConfig(source="fashion_mini"),
        model=ModelConfig(arch="resnet18", width=0.125, stem="small"),
        train=TrainConfig(
            objective=objective or ObjectiveConfig(),
            optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
            duration="4ep",
            batch_size=64,
        ),
    )


def imagenet(arch: ImageNetArch, attack: str | None = None) -> PretrainConfig:
    """Return pretraining on ImageNet as Salman et al. 2020 did it.

    SGD for 90 epochs, learning rate 0.1 divided by 10 every 30; the attack is 3 steps of 2/3 eps
    from the clean image, of which the worst image is kept. Natural training is the same without it.
    Convolutions are computed in bfloat16, where the original has float32; 1% of the training images
    are for validation.

    Args:
        arch: the network.
        attack: 'l2_EPS', or 'linf_EPS' with EPS in 1/255; None trains naturally.

    Raises:
        InputError: for a radius that is none of the published grid.
    """
    return PretrainConfig(
        data=DataConfig(source="imagenet2012", validation_fraction=0.01),
        model=ModelConfig(arch=arch, stem="imagenet", precision="bfloat16"),
        train=TrainConfig(
            objective=ObjectiveConfig() if attack is None else _robust(attack),
            optimizer=_steps(0.1, 1e-4, ("30ep", "60ep")),
            duration="90ep",
            batch_size=512,
            select="last",
        ),
    )


def _robust(attack: str) -> ObjectiveConfig:
    grid = {f"l2_{eps:g}": ("l2", eps) for eps in L2_RADII}
    grid |= {f"linf_{eps:g}": ("linf", eps / 255) for eps in LINF_RADII}
    if attack not in grid:
        raise InputError(f"{attack!r} is none of the attacks {', '.join(grid)}")
    norm, eps = grid[attack]
    values = {"norm": norm, "eps": eps, "num_steps": 3, "step_size": 2 / 3 * eps}
    inner = config_files.parse(AttackConfig, values | {"random_start": False, "best": True})
    return Adversarial(attack=inner)


def transfer(
    source: str, mode: Mode = "finetune", arch: ImageNetArch = "resnet18"
) -> TransferConfig:
    """Return transfer of an ImageNet ticket to a data set.

    SGD for 150 epochs, the learning rate divided by 10 after 50 and 100, at 224 pixels; CIFAR is
    upscaled. SVHN stays at 32 pixels, without crops and flips. Pixels are normalised by the
    target's own statistics for CIFAR and SVHN, else by those of the source network; the authors'
    code takes a mean and deviation of 0.5 for SVHN, and leaves photographs as they are.

    Args:
        source: the data set.
        mode: 'finetune' or 'linear'.
        arch: the network that the learning rate was tuned for.

    Returns:
        The configuration. The weights that are best on validation images are chosen, where the
        papers report the best accuracy on test images.

    Raises:
        InputError: for another mode.
    """
    if mode not in get_args(Mode):
        raise InputError(f"{mode!r} is no mode of transfer; choose 'finetune' or 'linear'")
    best = tuned(source, arch, mode)
    rate = best.learning_rate if best else {"finetune": 1e-3, "linear": 1e-2}[mode]
    small, svhn = source in ("cifar10", "cifar100"), source == "svhn_cropped"
    own = _UPSCALED if small else DataConfig(image_size=32 if svhn else None)
    if svhn and mode == "finetune":
        rate = 4e-3
    return TransferConfig(
        data=config_files.replace(own, source=source),
        mode=mode,
        normalization="target" if small or svhn else "source",
        train=TrainConfig(
            optimizer=_steps(rate, 5e-4, ("50ep", "100ep")),
            duration="150ep",
            batch_size=256 if svhn else 64,
            validate_every="5ep",
        ),
    )


def _steps(rate: float, decay: float, milestones: tuple[str, ...]) -> OptimizerConfig:
    return OptimizerConfig(
        learning_rate=rate, weight_decay=decay, schedule="multistep", milestones=milestones
    )
