"""Where the studies of the published experiments start: at their own scale, and small.

At the published scale a ResNet is pretrained on ImageNet, naturally and against L2 attacks, and
its tickets go to CIFAR and other sets at 224 pixels (Fu et al. 2023, `rtickets.stages.published`).
The natural network has the robust one's recipe without the attack, where the authors took a
published one of another recipe.

The small scale is that of `rtickets demo`: a narrow ResNet-18, 10,800 images of Fashion-MNIST and
a few examples of small sets, so that a study takes minutes on a CPU. All of them share pretrained
networks and tickets when they run in one workdir.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, Literal

from rtickets.data.settings import DataConfig
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.settings import config_files
from rtickets.stages import contrastive_recipes, published, recipes
from rtickets.stages.demo import demo_study
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.stages.study_settings import StudyConfig
from rtickets.training.objectives import ObjectiveConfig
from rtickets.training.optimizers import OptimizerConfig
from rtickets.training.settings import TrainConfig

TENTHS = published.FU_SPARSITIES[:9]

SEEDS = (0, 1, 2)
SMALL_SPARSITIES = (0.8, 0.9, 0.95, 0.98)
_FEW = 200  # examples of a small target

Statistics = Literal["adapt", "source", "target", "frozen"]


def at_full_scale(
    name: str,
    transfers: Mapping[str, TransferConfig],
    *,
    arch: recipes.ImageNetArch = "resnet18",
    attacks: Iterable[str] = ("l2_3",),
    **fields: Any,
) -> StudyConfig:
    """Return a study of ImageNet tickets.

    Args:
        name: of the study.
        transfers: downstream runs by label.
        arch: the network.
        attacks: of the robust networks, see `recipes.imagenet`; labels have _ in place of a dot.
        fields: others of `StudyConfig`.
    """
    pretrain = recipes.imagenet(arch)
    robust = {
        attack.replace(".", "_"): recipes.imagenet(arch, attack).train.objective
        for attack in attacks
    }
    own: dict[str, Any] = {
        "sparsities": published.FU_SPARSITIES,
        "evaluate": EvaluateConfig(),
        **fields,
    }
    return StudyConfig(
        name=name,
        seeds=SEEDS,
        pretrain=pretrain,
        objectives={"natural": ObjectiveConfig(), **robust},
        transfers=transfers,
        **own,
    )


def transfers_to(sources: Iterable[str], *modes: recipes.Mode) -> dict[str, TransferConfig]:
    """Return the transfers of Fu et al. 2023 as SOURCE-MODE, all sources of a mode together."""
    return {
        f"{source}-{mode}": published.fu2023(source, mode)
        for mode, source in product(modes, sources)
    }


def small(name: str, transfers: Mapping[str, TransferConfig], **fields: Any) -> StudyConfig:
    """Return a study of the demo's networks with three seeds, with further or other fields."""
    demo = demo_study()
    own: dict[str, Any] = {
        "seeds": SEEDS,
        "sparsities": SMALL_SPARSITIES,
        "evaluate": EvaluateConfig(batch_size=250),
    }
    return StudyConfig(
        name=f"{name}_small",
        pretrain=demo.pretrain,
        transfers=transfers,
        **{"objectives": demo.objectives, **own, **fields},
    )


def small_pretrainings() -> dict[str, PretrainConfig]:
    """Return supervised, SimCLR and MoCo pretraining of the demo's network at 16 pixels.

    The contrastive ones see every image in five epochs, the supervised one in three, as the demo's.
    """
    own = {
        "simclr": contrastive_recipes.simclr("small"),
        "moco": contrastive_recipes.moco("small"),
    }
    own = {label: config_files.replace(run, train__duration="5ep") for label, run in own.items()}
    return {
        label: config_files.replace(
            run, data__image_size=16, train__validate_every=run.train.duration
        )
        for label, run in {"supervised": demo_study().pretrain, **own}.items()
    }


def few_grey(source: str) -> TransferConfig:
    """Return the small transfer of those networks: 100 steps on 200 grey images of 16 pixels."""
    return TransferConfig(
        data=DataConfig(source=source, train_examples=_FEW, image_size=16, channels=1),
        train=config_files.replace(
            by_steps(OptimizerConfig(learning_rate=0.2), "100it"), batch_size=40
        ),
    )


def by_steps(optimizer: OptimizerConfig, duration: str) -> TrainConfig:
    """Return the training that small tickets are learnt by: for some steps, the last one kept."""
    return TrainConfig(
        optimizer=optimizer,
        duration=duration,
        batch_size=64,
        select="last",
        validate_every="0ep",
        checkpoint_every="0ep",
    )


def few_digits() -> dict[str, TransferConfig]:
    """Return both small transfers to digits, the linear one with statistics of the target.

    Tickets that are drawn on a target have no other source.
    """
    return {
        "mnist5k-finetune": few("mnist5k", "finetune"),
        "mnist5k-linear": few("mnist5k", "linear", "target"),
    }


def few(
    source: str,
    mode: recipes.Mode,
    statistics: Statistics = "adapt",
    *,
    rates: tuple[float, ...] = (),
) -> TransferConfig:
    """Return a small transfer, 20 epochs of 200 examples.

    Args:
        source: the target's data.
        mode: 'finetune' or 'linear'.
        statistics: of normalisation: they 'adapt' to the target while training, as in the
            published code, stay 'frozen', or are estimated anew before training without labels, on
            images of the 'source' or of the 'target'.
        rates: the ladder that the learning rate is chosen from on validation images; () is the rate
            of the demo.
    """
    rate = {"finetune": 0.4, "linear": 1.0}[mode]
    recalibrate = {
        "source": TransferRecalibrateConfig(on="source", batches=16),
        "target": TransferRecalibrateConfig(on="target", batches=5, batch_size=40),
    }.get(statistics)
    transfer = TransferConfig(
        mode=mode,
        recalibrate=recalibrate,
        train=TrainConfig(
            optimizer=OptimizerConfig(learning_rate=rate),
            statistics="batch" if statistics == "adapt" else "frozen",
            duration="20ep",
            batch_size=40,
            select="last",
            validate_every="0ep",
            checkpoint_every="0ep",
        ),
    )
    transfer = config_files.replace(transfer, data__source=source, data__train_examples=_FEW)
    if not rates:
        return transfer
    return config_files.replace(transfer, learning_rates=rates, train__validate_every="20ep")
