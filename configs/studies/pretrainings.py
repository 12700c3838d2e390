"""Tickets of supervised and self-supervised pretraining: to which targets do they win?

    rtickets study --config=configs/studies/pretrainings.py --workdir=runs
    rtickets study --config=configs/studies/pretrainings.py:small --workdir=runs
    rtickets study --config=configs/studies/pretrainings.py:small-masks --workdir=runs
    rtickets study --config=configs/studies/pretrainings.py:small-scenes --workdir=runs \
        --config.transfers.scenes.data.path=/usr/share

IMP on the pretraining task itself, supervised, SimCLR and MoCo v2, prunes first and rewinds
everything to the pretrained network (Chen et al. 2021, "The lottery tickets hypothesis for
supervised and self-supervised pre-training in computer vision models"). The report says which
tickets match their dense network where, which are universal, and how alike masks are. `random` has
as many weights alive in every layer as the ticket, at random places; with `-masks` the study puts
the masks of every pretraining on the weights of all others instead.

At the published scale ResNet-50s on ImageNet, 18 states of 10 epochs whose first convolution stays
whole, to CIFAR-10, CIFAR-100, SVHN, Fashion-MNIST, VisDA-2017 in a folder and VOC 2012; it needs
`rtickets data prepare` of these. all branches train their states alike, at a rate of 1e-4, with
momentum and queue begun anew in each, where the original keeps those of SimCLR and MoCo and trains
MoCo at 3e-4. On CIFAR and others the original has a new first convolution
of 3x3 at 32 pixels; here the network is the pretrained one, at 224.

Small is a ResNet-18 of width 1/8 on 10,800 grey images of Fashion-MNIST at 16 pixels, five epochs
of SimCLR and MoCo, three supervised; states of 60 steps that halve the survivors, and 200 images of
`mnist5k`, `digits` and `animals` for 100 steps. It needs `pip install 'rtickets[demo]'` and
`pip install --no-deps animal-mnist==0.4`. `-scenes` adds the masks of 320 scenes, grey at 32
pixels, for 20 epochs; it needs `rtickets[scenes]` and Debian's packages tuxpaint-stamps-default and
mate-backgrounds (docs/data.md). That the dense networks are worth something is shown by
configs/studies/features.py, with the same networks.

Time: full, not run, --dry-run estimates it; small, 8 minutes of one CPU core and 6 of pretraining,
scenes 16 more.
Result of the small version: docs/results/pretrainings_small.md.
"""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ImpConfig,
    OptimizerConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
    WayConfig,
)
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages import contrastive_recipes, experiments, published, recipes
from rtickets.tasks import Segmentation

TARGETS = ("mnist5k", "digits", "animals")


def draws(train, rate, **options):
    method = ImpConfig(rate=rate, first="prune")
    imp = DrawConfig(method=method, train=train, **options)
    return {"imp": imp, "random": config_files.replace(imp, control="random")}


def published_transfer(
    source, epochs=182, rate=0.1, batch=256, decay=2e-4, drops=(91, 136), **data
):
    """Return a published transfer at 224 pixels: SGD, the rate divided by 10 after some epochs."""
    optimizer = OptimizerConfig(
        learning_rate=rate, weight_decay=decay, schedule="multistep",
        milestones=tuple(f"{epoch}ep" for epoch in drops), warmup="1ep",
    )  # fmt: skip
    plain = {"image_size": 224, "crop_padding": 0, "flip": False, "channels": 3}
    return TransferConfig(
        data=DataConfig(source=source, **{**plain, **data}),
        normalization="target",
        train=TrainConfig(optimizer=optimizer, duration=f"{epochs}ep", batch_size=batch),
    )


def full():
    constant = OptimizerConfig(learning_rate=1e-4, weight_decay=1e-4, schedule="constant")
    states = config_files.replace(experiments.by_steps(constant, "10ep"), batch_size=256)
    mirrored = {"resize": 256, "random_resized_crop": True, "flip": True}
    visda = published_transfer(
        "folder", 20, 1e-3, 128, 5e-4, (10,), path="visda2017", crop_scale=(0.75, 1.0), **mirrored
    )
    return StudyConfig(
        name="pretrainings",
        seeds=experiments.SEEDS,
        baseline="supervised",
        objectives={},
        pretrainings={
            "supervised": recipes.imagenet("resnet50"),
            "simclr": contrastive_recipes.simclr("imagenet"),
            "moco": contrastive_recipes.moco("imagenet"),
        },
        draws=draws(states, 0.2, exclude="stem_conv/.*"),
        sparsities=imp_ladder(18),
        transfers={
            "cifar10": published_transfer("cifar10", **mirrored),
            "cifar100": published_transfer("cifar100", **mirrored),
            "svhn": published_transfer("svhn_cropped"),
            "fashion_mnist": published_transfer(
                "fashion_mnist", path="/usr/share/datasets/fashion-mnist"
            ),
            "visda2017": visda,
            "voc2012": published.fu2023_segmentation(),
        },
        evaluate=EvaluateConfig(batch_size=16),
    )


def scenes():
    """Return 20 epochs of 320 scenes in grey."""
    train = experiments.by_steps(OptimizerConfig(name="adamw", learning_rate=2e-3), "20ep")
    return TransferConfig(
        data=DataConfig(
            source="stamps_scenes", path="/usr/share", image_size=32, channels=1,
            train_examples=320, flip=True, crop_padding=4,
            task=Segmentation(output_stride=8, channels=32, fine="stage2"),
        ),
        train=config_files.replace(train, batch_size=16),
    )  # fmt: skip


def small():
    ladder = imp_ladder(4, 0.5)
    constant = OptimizerConfig(learning_rate=0.05, schedule="constant")
    states = config_files.replace(experiments.by_steps(constant, "60it"), batch_size=128)
    return StudyConfig(
        name="pretrainings_small",
        seeds=experiments.SEEDS,
        baseline="supervised",
        objectives={},
        pretrainings=experiments.small_pretrainings(),
        draws=draws(states, 0.5),
        sparsities=(ladder[0], ladder[1], ladder[3]),
        ladders={"random": (ladder[3],)},
        transfers={source: experiments.few_grey(source) for source in TARGETS},
        evaluate=EvaluateConfig(batch_size=250),
    )


def small_scenes():
    study = small()
    return config_files.replace(
        study, name="pretrainings_scenes", transfers={**study.transfers, "scenes": scenes()}
    )


def with_masks_of_others(study):
    """Return the study with the masks of every pretraining on the weights of all."""
    given = {
        f"mask_of_{branch}": DrawConfig(
            method=WayConfig(name="given", draw="imp", pretraining=branch)
        )
        for branch in study.branches
    }
    imp = {"imp": study.draws["imp"]}
    name = study.name.replace("pretrainings", "pretrainings_masks")
    return config_files.replace(study, name=name, draws={**imp, **given}, ladders={})


def get_config(which="full"):
    make = {
        "full": full,
        "small": small,
        "small-scenes": small_scenes,
        "full-masks": lambda: with_masks_of_others(full()),
        "small-masks": lambda: with_masks_of_others(small()),
    }
    return config_files.editable(config_files.pick(make, which)())
