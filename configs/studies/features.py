"""What pretrainings are worth: linear evaluation of dense features, beside those of random weights.

    rtickets study --config=configs/studies/features.py --workdir=runs
    rtickets study --config=configs/studies/features.py:small --workdir=runs

The head alone is trained, on features that are computed once under statistics estimated anew on
images of the target, its rate chosen on validation images. `reinitialised` is the same network from
random weights. A pretraining whose dense features are no better is not worth drawing tickets from.
Pretrained networks are those of configs/studies/pretrainings.py, in one workdir the same runs.

At the published scale supervised, SimCLR and MoCo v2 pretraining on ImageNet, with 1% of it, CIFAR
and SVHN; it needs `rtickets data prepare` of these. Small is a ResNet-18 of width 1/8 at 16 pixels
on 10,800 images of Fashion-MNIST, with all and 200 of them, and 200 of `mnist5k`, `digits` and
`animals`; it needs `pip install 'rtickets[demo]'` and `pip install --no-deps animal-mnist==0.4`.

Time: full, not run, --dry-run estimates it; small, 7 minutes of one CPU core. Result of the small
version: docs/results/features_small.md.
"""

from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    OptimizerConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
    TransferRecalibrateConfig,
)
from rtickets.settings import config_files
from rtickets.stages import contrastive_recipes, experiments, recipes

RATES = (0.03, 0.1, 0.3, 1.0, 3.0)


def features(duration, batch_size, batches, **data):
    """Return linear evaluation on features that are computed once."""
    train = TrainConfig(
        statistics="frozen", optimizer=OptimizerConfig(weight_decay=1e-4), duration=duration,
        batch_size=batch_size, validate_every="5ep",
    )  # fmt: skip
    return TransferConfig(
        data=DataConfig(crop_padding=0, flip=False, **data),
        mode="linear",
        features="cached",
        recalibrate=TransferRecalibrateConfig(batches=batches),
        learning_rates=RATES,
        train=train,
    )


def study(name, pretrainings, transfers):
    return StudyConfig(
        name=name,
        seeds=experiments.SEEDS,
        baseline="supervised",
        objectives={},
        pretrainings=pretrainings,
        draws={"reinitialised": DrawConfig(control="reinitialised")},
        sparsities=(0.0,),
        transfers=transfers,
        evaluate=EvaluateConfig(batch_size=250),
    )


def full():
    pretrainings = {
        "supervised": recipes.imagenet("resnet50"),
        "simclr": contrastive_recipes.simclr("imagenet"),
        "moco": contrastive_recipes.moco("imagenet"),
    }
    targets = {
        source: features("40ep", 256, 16, source=source, image_size=224)
        for source in ("cifar10", "cifar100", "svhn_cropped")
    }
    still = {"random_resized_crop": False, "color_jitter": 0.0, "lighting": 0.0}
    source = features("40ep", 256, 16, source="imagenet2012", train_fraction=0.01, **still)
    return study("features", pretrainings, {"source-1": source, **targets})


def small():
    few = {
        source: features(
            "60ep", 40, 1, source=source, train_examples=200, image_size=16, channels=1
        )
        for source in ("fashion_mini", "mnist5k", "digits", "animals")
    }
    whole = features("40ep", 100, 8, source="fashion_mini", image_size=16)
    return study("features_small", experiments.small_pretrainings(), {"source-all": whole, **few})


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
