"""Recipes of contrastive pretraining: as published, and small ones that run on one CPU core."""

from typing import Literal, get_args

from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.data.images.random_views import (
    CVLTH,
    MOCO_V2,
    SIMCLR,
    SIMCLR_SMALL,
    ViewsConfig,
)
from rtickets.data.settings import DataConfig
from rtickets.errors import InputError
from rtickets.models.settings import ModelConfig
from rtickets.stages.settings import PretrainConfig
from rtickets.tasks import Moco, SimClr
from rtickets.tasks.contrastive import Contrastive
from rtickets.training.objectives import Adversarial, ObjectiveConfig
from rtickets.training.optimizers.lars import Lars
from rtickets.training.optimizers.sgd import Sgd
from rtickets.training.settings import TrainConfig

Scale = Literal["imagenet", "cifar10", "fashion", "small"]

GREY = ViewsConfig(
    crop_scale=(0.3, 1.0), brightness=0.4, contrast=0.4, saturation=0.0, hue=0.0, grey=0.0, blur=0.0
)
"""Views of small grey images; as colours are no shortcut there, crops are less severe."""


def simclr(scale: Scale) -> PretrainConfig:
    """Return SimCLR (Chen et al. 2020).

    On ImageNet it is that of the paper for 100 epochs: batch 4096, LARS at a rate of 0.3 times
    batch / 256, weight decay 1e-6 of neither biases nor normalisation, 10 epochs of warm-up, then a
    cosine; the head is that which tickets were drawn with (Chen et al. 2021), two layers without
    normalisation. On CIFAR-10 it is that of appendix B.9, with batch 512. Views of photographs are
    cut out of their middle at 224 pixels, where the original cuts out of the whole picture.

    Raises:
        InputError: for another scale.
    """
    _check(scale)
    if scale == "imagenet":
        task: Contrastive = SimClr(views=SIMCLR, temperature=0.1, gallery=None)
        return _photographs(task, _lars(4.8, "10ep"), "100ep", 4096)
    if scale == "cifar10":
        return PretrainConfig(
            data=DataConfig(source="cifar10", task=SimClr(views=SIMCLR_SMALL, temperature=0.5)),
            model=ModelConfig(arch="resnet50", stem="small", precision="bfloat16"),
            train=_train(_lars(1.0, "10ep"), "1000ep", 512),
        )
    return _fashion(SimClr(views=GREY, temperature=0.2, neighbours=20), scale)


def as_tickets() -> PretrainConfig:
    """Return the training that tickets of SimCLR were drawn by (Chen et al. 2021), 10 epochs.

    Its loss is the logarithm of the mean. Draws by iterating train like this after every state.
    """
    task = SimClr(views=CVLTH, temperature=0.5, loss_form="log_of_mean", gallery=None)
    optimizer = Lars(
        learning_rate=1e-4, weight_decay=1e-6, schedule="constant", decay_unscaled=False
    )
    return _photographs(task, optimizer, "10ep", 256)


def moco(scale: Scale) -> PretrainConfig:
    """Return MoCo v2 (Chen et al. 2020, "Improved baselines with momentum contrastive learning").

    On ImageNet: 200 epochs of batch 256, SGD at 0.03 with a cosine, a queue of 65,536 keys,
    statistics of every device's own part, shuffled for the keys. CIFAR-10 takes a queue of 4,096
    and a momentum of 0.99, as its epochs are short.

    Raises:
        InputError: for another scale.
    """
    _check(scale)
    sgd = Sgd(learning_rate=0.03, weight_decay=1e-4)
    if scale == "imagenet":
        task = Moco(views=MOCO_V2, key_statistics="shuffled", gallery=None)
        return _photographs(task, sgd, "200ep", 256, sync=False)
    if scale == "cifar10":
        return PretrainConfig(
            data=DataConfig(
                source="cifar10", task=Moco(views=SIMCLR_SMALL, queue=4096, momentum=0.99)
            ),
            model=ModelConfig(arch="resnet50", stem="small", precision="bfloat16"),
            train=_train(Sgd(learning_rate=0.06, weight_decay=5e-4), "800ep", 512),
        )
    return _fashion(Moco(views=GREY, queue=2048, momentum=0.99, neighbours=20), scale)


def robust(steps: int = 7) -> ObjectiveConfig:
    """Return PGD on the contrastive loss, in L-infinity 8/255 (Kim et al. 2020)."""
    return Adversarial(
        attack=PgdSettings(norm="linf", eps=8 / 255, num_steps=steps, step_size=None)
    )


def _check(scale: str) -> None:
    if scale not in get_args(Scale):
        raise InputError(f"{scale!r} is no scale; choose one of {', '.join(get_args(Scale))}")


def _photographs(
    task: Contrastive, optimizer: Lars | Sgd, duration: str, batch: int, sync: bool = True
) -> PretrainConfig:
    return PretrainConfig(
        data=DataConfig(
            source="imagenet2012", validation_fraction=0.01, image_size=224, resize=224, task=task
        ),
        model=ModelConfig(arch="resnet50", stem="imagenet", precision="bfloat16"),
        train=_train(optimizer, duration, batch, sync=sync, validate_every="10ep"),
    )


def _fashion(task: Contrastive, scale: Scale) -> PretrainConfig:
    """Return the run on all of Fashion-MNIST, or the small one on the images of the package."""
    small = scale == "small"
    return PretrainConfig(
        data=DataConfig(source="fashion_mini" if small else "fashion_mnist", task=task),
        model=ModelConfig(arch="resnet18", width=0.125 if small else 1.0, stem="small"),
        train=_train(
            Sgd(learning_rate=0.1, weight_decay=5e-4, warmup="100it"),
            "10ep" if small else "100ep",
            128 if small else 256,
        ),
    )


def _lars(rate: float, warmup: str) -> Lars:
    return Lars(learning_rate=rate, weight_decay=1e-6, warmup=warmup, decay_unscaled=False)


def _train(
    optimizer: Lars | Sgd,
    duration: str,
    batch: int,
    *,
    sync: bool = True,
    validate_every: str = "1ep",
) -> TrainConfig:
    return TrainConfig(
        optimizer=optimizer, duration=duration, batch_size=batch, select="last",
        sync_statistics=sync, validate_every=validate_every,
    )  # fmt: skip
