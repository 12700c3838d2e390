"""Settings of papers as they were, where `rtickets.stages.recipes` has ours after them.

Transfer and drawing are those of Fu et al. 2023 ("Robust tickets can transfer better"), as their
development repository has them, and transfer that of Salman et al. 2020, whose learning rates were
tuned per data set. What cannot be set to their values is their choice on test images: they report
the best test accuracy of a run and hold nothing out; here a part of the training images is held
out, weights are chosen on it, and the test split is measured once. See docs/transfer.md.
"""

from typing import Literal, get_args

from rtickets.attacks.settings import AttackConfig
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.stages import recipes
from rtickets.stages.draw_settings import DrawConfig
from rtickets.stages.recipes import ImageNetArch, Mode
from rtickets.stages.settings import TransferConfig
from rtickets.stages.ways.base import WayConfig
from rtickets.tasks import Segmentation
from rtickets.training.objectives import Adversarial, ObjectiveConfig
from rtickets.training.optimizers import OptimizerConfig
from rtickets.training.optimizers.sgd import Sgd
from rtickets.training.settings import TrainConfig

Way = Literal["omp", "omp_row", "omp_kernel", "omp_channel", "imp", "aimp", "lmp", "lmp_upstream"]
FU_SOURCES = (
    "cifar10", "cifar100", "svhn_cropped", "caltech101", "oxford_flowers102", "dtd",
    "oxford_iiit_pet", "sun397", "cars196",
)  # fmt: skip
FU_SPARSITIES = tuple(n / 100 for n in (*range(10, 91, 10), *range(91, 100)))
BACKBONE = r"(?!head/).*"
"""The paths of all parameters but the head's."""
FIRST_CONVOLUTION = r"stem_conv/kernel"
_SAME = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # pixels as they are
_PIXELS = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    "svhn_cropped": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


def fu2023(source: str, mode: Mode = "finetune") -> TransferConfig:
    """Return transfer of a ticket by Fu et al. 2023.

    One learning rate a mode for all sets but SVHN, 0.001 and 0.01; 150 epochs of SGD at batch 64,
    weight decay 5e-4, the rate divided by 10 after 50 and 100; 224 pixels, CIFAR upscaled, SVHN at
    its 32; pixels normalised by constants of the set, or not at all; normalisation statistics
    adapt under both modes.

    Args:
        source: one of `FU_SOURCES`.
        mode: 'finetune' or 'linear'.

    Raises:
        InputError: for another set or mode.
    """
    if source not in FU_SOURCES:
        raise InputError(f"{source!r} is none of the sets of the paper, {', '.join(FU_SOURCES)}")
    found = _as_published(recipes.transfer(source, mode), source)
    rate = {"finetune": 1e-3, "linear": 1e-2}[mode]
    large = source == "svhn_cropped" and mode == "finetune"
    return config_files.replace(
        found,
        train__optimizer__learning_rate=4e-3 if large else rate,
        train__batch_size=256 if large else 64,
    )


def salman2020(
    source: str, mode: Mode = "finetune", arch: ImageNetArch = "resnet18"
) -> TransferConfig:
    """Return transfer by Salman et al. 2020, at the learning rate that they report as the best.

    As `fu2023`, but for that rate.

    Args:
        source: one that a rate is published for, see `rtickets.stages.recipes.tuned`.
        mode: 'finetune' or 'linear'.
        arch: the network that the rate was tuned for.

    Raises:
        InputError: where nothing is published.
    """
    if recipes.tuned(source, arch, mode) is None:
        raise InputError(f"{source!r}: no tuned learning rate is published; use fu2023, or ours")
    return _as_published(recipes.transfer(source, mode, arch), source)


def fu2023_segmentation(source: str = "voc2012") -> TransferConfig:
    """Return transfer of a ticket to the pixels of VOC 2012, as Fu et al. 2023's code has it.

    DeepLabv3+ at an output stride of 16, 30,000 steps of SGD at batch 4, weight decay 1e-4, rates
    0.01 of the head and 0.001 of the backbone, falling by the power 0.9; images scaled by 0.5 to 2,
    513x513 cut out, mirrored. They validate on VOC's validation images every 100 steps and report
    the best; here a tenth of the training images chooses, and validation images are tested once, as
    whole images. Normalisation layers of their backbone take 1% of every batch, ours 10%.

    Args:
        source: 'voc2012', as published, or 'voc2012_aug'.
    """
    return TransferConfig(
        data=DataConfig(
            source=source, image_size=513, random_scale=(0.5, 2.0), flip=True,
            task=Segmentation(output_stride=16, channels=256, fine="stage1", evaluation="whole"),
        ),
        train=TrainConfig(
            optimizer=OptimizerConfig(
                learning_rate=0.01, weight_decay=1e-4, schedule="polynomial", power=0.9,
                learning_rate_factors=(f"{BACKBONE}=0.1",),
            ),
            duration="30000it", batch_size=4, validate_every="1000it", checkpoint_every="1000it",
        ),
    )  # fmt: skip


def _as_published(config: TransferConfig, source: str) -> TransferConfig:
    mean, std = _PIXELS.get(source, _SAME)
    return config_files.replace(config, normalization="source", pixel_mean=mean, pixel_std=std)


def fu2023_draw(way: Way = "omp", source: str | None = None) -> DrawConfig:
    """Return a way of drawing of Fu et al. 2023.

    Args:
        way: 'omp', global, or by rows, kernels and channels within every layer; 'imp' and 'aimp' on
            the task of the network, its first layer left alone; 'lmp' on the target, 'lmp_upstream'
            on the task of the network.
        source: the target of 'lmp'; None is 'cifar10'.

    Raises:
        InputError: for another way, or a source where none is trained on.
    """
    if way not in get_args(Way):
        raise InputError(f"{way!r} is no way of drawing; choose {', '.join(get_args(Way))}")
    if source is not None and way != "lmp":
        raise InputError(f"{way!r} draws on the task of the network, not on {source!r}")
    if way.startswith("omp"):
        pattern = way.partition("_")[2]
        return DrawConfig(pattern=pattern, scope="uniform") if pattern else DrawConfig()
    if way.startswith("lmp"):
        train = _lmp_upstream() if way == "lmp_upstream" else _lmp()
        data = None if way == "lmp_upstream" else recipes.transfer(source or "cifar10").data
        return DrawConfig(method=WayConfig(name="lmp"), scope="uniform", data=data, train=train)
    return DrawConfig(
        method=WayConfig(name="imp"),
        sparsity=round(1 - 0.8**19, 12),
        exclude="stem_conv/.*",
        train=_train("10ep", 128, _sgd(2e-4, 1e-4), _fgsm_rs(2) if way == "aimp" else None),
    )


def _lmp() -> TrainConfig:
    return _train("160ep", 256, _sgd(0.1, 5e-4, ("80ep", "120ep")))


def _lmp_upstream() -> TrainConfig:
    optimizer = _sgd(0.256, 3.0517578e-5, ("30ep", "60ep"), momentum=0.875)
    objective = config_files.replace(_fgsm_rs(4), label_smoothing=0.1)
    return _train("90ep", 256, optimizer, objective)


def _fgsm_rs(eps: int) -> ObjectiveConfig:
    """Return one step of 1.25 eps from a random start, eps in 1/255, L-infinity."""
    attack = config_files.parse(AttackConfig, {"name": "fgsm_rs", "norm": "linf", "eps": eps / 255})
    return Adversarial(attack=attack)


def _sgd(
    rate: float, decay: float, milestones: tuple[str, ...] = (), momentum: float = 0.9
) -> OptimizerConfig:
    schedule: Literal["multistep", "constant"] = "multistep" if milestones else "constant"
    return Sgd(
        learning_rate=rate, weight_decay=decay, schedule=schedule, milestones=milestones,
        momentum=momentum,
    )  # fmt: skip


def _train(
    duration: str, batch: int, optimizer: OptimizerConfig, objective: ObjectiveConfig | None = None
) -> TrainConfig:
    return TrainConfig(
        objective=objective or ObjectiveConfig(), optimizer=optimizer, duration=duration,
        batch_size=batch, select="last", validate_every="0ep",
    )  # fmt: skip
