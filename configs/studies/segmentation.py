"""Do robust tickets draw objects better? One-shot tickets as backbones of DeepLabv3+.

    rtickets study --config=configs/studies/segmentation.py --workdir=runs
    rtickets study --config=configs/studies/segmentation.py:small --workdir=runs
    rtickets study --config=configs/studies/segmentation.py:boxes --workdir=runs

At the published scale from ImageNet, natural and against L2 attacks of radius 0.05, to VOC 2012
with a ResNet-50 whose first convolution stays whole, at four sparsities; it needs `rtickets data
prepare` of imagenet2012 and voc2012. The small version is pretrained on the masks of the 2,400
training scenes of stamps_scenes, at 32 pixels, and goes under a fresh head to 160 of them, whole,
and the head alone on frozen weights. No object and no photograph of the test scenes is seen before.
It needs `pip install 'rtickets[scenes]'` and Debian's packages tuxpaint-stamps-default and
mate-backgrounds (docs/data.md); where these are not in /usr/share, data.path of the pretraining and
of every transfer names it. `boxes` takes the natural network of its first seed, and its
ticket at 20% remaining, as backbones of FCOS for 800 scenes (`rtickets[detection]`).

`random` has as many weights alive in every layer as the ticket, at random places; `reinitialised`
is the whole network from random weights. Answering ground everywhere is `chance` in the results of
the evaluations, 12% on scenes.

Time: full, not run, --dry-run estimates it; small, 29 minutes of one CPU core; boxes, about
4 minutes more in the same workdir. Results: docs/results/segmentation_small.md.
"""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    MeasureConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TransferConfig,
)
from rtickets.settings import config_files
from rtickets.stages import experiments, published
from rtickets.tasks import Detection, Segmentation

TASK = Segmentation(output_stride=8, channels=32, fine="stage2")
SCENES = DataConfig(
    source="stamps_scenes", path="/usr/share", image_size=32, flip=True, crop_padding=4, task=TASK
)


def learning(duration, batch_size):
    optimizer = OptimizerConfig(name="adamw", learning_rate=2e-3)
    train = experiments.by_steps(optimizer, duration)
    return config_files.replace(train, batch_size=batch_size)


def scenes(mode):
    data = config_files.replace(SCENES, train_examples=160)
    return TransferConfig(mode=mode, data=data, train=learning("20ep", 16))


def draws(**fields):
    return {
        "omp": DrawConfig(**fields),
        "random": DrawConfig(control="random", **fields),
        "reinitialised": DrawConfig(control="reinitialised", **fields),
    }


def full():
    return experiments.at_full_scale(
        "segmentation",
        {"voc2012": published.fu2023_segmentation()},
        arch="resnet50",
        attacks=("l2_0.05",),
        draws=draws(exclude=published.FIRST_CONVOLUTION),
        sparsities=(0.1, 0.2, 0.3, 0.4),
        ladders={"reinitialised": (0.0,)},
        evaluate=EvaluateConfig(batch_size=16),
    )


def small():
    study = experiments.small(
        "segmentation",
        {"scenes": scenes("finetune"), "scenes-head": scenes("linear")},
        draws=draws(),
        sparsities=(0.5, 0.8, 0.9),
        ladders={"reinitialised": (0.0,)},
        evaluate=EvaluateConfig(batch_size=100),
    )
    pretrain = config_files.replace(study.pretrain, data=SCENES, train=learning("8ep", 32))
    return config_files.replace(study, pretrain=pretrain)


def boxes():
    task = Detection(channels=32, depth=2, levels=("stage2", "stage3", "stage4"), coarser=0)
    data = config_files.replace(SCENES, train_examples=800, task=task)
    return config_files.replace(
        small(),
        name="segmentation_boxes", seeds=(0,), objectives={"natural": ObjectiveConfig()},
        draws={label: draws()[label] for label in ("omp", "reinitialised")}, sparsities=(0.8,),
        transfers={"boxes": TransferConfig(data=data, train=learning("20ep", 16))},
        evaluate__measures={"classes": MeasureConfig(name="per_class")},
    )  # fmt: skip


def get_config(size="full"):
    sizes = {"full": full, "small": small, "boxes": boxes}
    return config_files.editable(config_files.pick(sizes, size)())
