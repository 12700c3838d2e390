"""SuperTickets on Cityscapes, as published: search, pruning and training in one run.

    rtickets search --config=configs/supernet/cityscapes.py --workdir=runs \
        --config.data.path=/data/cityscapes
    rtickets search --config=configs/supernet/cityscapes.py:small --workdir=runs \
        --config.data.path=/usr/share

The settings are those of the code of You et al. (2022): 430 epochs, batch 32, Adam at a peak of
0.04 along one cycle, 1e-5 of L2 on kernels, the penalty 1.4e-4 risen over 25 epochs, channels every
10 epochs, weights every 25 by 10 points up to 80%; crops of 512x1024 out of images scaled by 0.5 to
2, tested whole. Released as well: 30, 50, 70, 90 and 95% (`--config.searching.sparsity`). Otherwise
than there: colours change by brightness, contrast and saturation, not by hue; the first moment of
Adam stays at 0.9 along the cycle; validation images are carved from the training images;
and multiply-adds are those of the crops, where theirs are profiled at 224x224, so that
`least_freed` asks for fewer channels here. Weights are ranked by their current values, of which
tickets have the averages.
`:small` does the same on scenes of stamps, pixel by pixel, in a tenth of the epochs (docs/data.md
says what it needs).

Time: not run.
"""

from rtickets.config import (
    AveragingConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    SearchConfig,
    SearchingConfig,
    TrainConfig,
)
from rtickets.settings import config_files
from rtickets.tasks import Segmentation

BATCH = 32


def full():
    return SearchConfig(
        data=DataConfig(
            source="cityscapes", image_size=(512, 1024), random_scale=(0.5, 2.0), flip=True,
            color_jitter=0.5, validation_fraction=0.05,
            task=Segmentation(decoder="none", evaluation="whole"),
        ),
        model=ModelConfig(arch="supernet_dense90", stem="imagenet"),
        searching=SearchingConfig(
            search_every="10ep", prune_every="25ep", penalty=1.4e-4, penalty_warmup="25ep",
            threshold=1e-3, least_freed=1_000_000, sparsity=0.8,
        ),
        train=TrainConfig(
            duration="430ep", batch_size=BATCH, select="last", seed=1995, validate_every="10ep",
            averaging=AveragingConfig(decay=0.9999 ** (BATCH / 4096)),
            optimizer=OptimizerConfig(
                name="adam", learning_rate=0.04, epsilon=1e-3, schedule="onecycle",
                weight_decay=1e-5, weight_decay_factors=("(?!head/).*/(bias|scale)=0",),
            ),
        ),
    )  # fmt: skip


def small():
    """Return the same in 43 epochs of 160 scenes; the penalty is larger as steps are few."""
    return config_files.replace(
        full(),
        data=DataConfig(
            source="stamps_scenes", image_size=32, flip=True, train_examples=160,
            task=Segmentation(decoder="none"),
        ),
        model=ModelConfig(arch="supernet_tiny"),
        searching=SearchingConfig(
            search_every="1ep", prune_every="2ep", penalty=3e-3, penalty_warmup="2ep",
            least_freed=10_000, sparsity=0.8,
        ),
        train__duration="43ep", train__batch_size=16, train__validate_every="5ep",
        train__averaging__decay=0.9, train__optimizer__learning_rate=0.01,
    )  # fmt: skip


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
