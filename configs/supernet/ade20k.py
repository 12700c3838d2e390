"""SuperTickets on ADE20K, as published: search, pruning and training in one run.

    rtickets search --config=configs/supernet/ade20k.py --workdir=runs \
        --config.data.path=/data/ADEChallengeData2016
    rtickets search --config=configs/supernet/ade20k.py:small --workdir=runs \
        --config.data.path=/usr/share

The settings are those of the code of You et al. (2022): 200 epochs, batch 64, Adam at a peak of
0.04 along one cycle, channels every 25 epochs, weights every 15 by 10 points up to 90% (50% is
released too), otherwise as `supernet/cityscapes`; images of at most 512 pixels on the short side,
scaled by 0.5 to 2, crops of 512x512. What differs from the published code is said there too;
whole images lie on canvases here, black beyond their sides. `:small` does the same on scenes of
stamps in a fifth of the epochs.

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

BATCH = 64


def full():
    return SearchConfig(
        data=DataConfig(
            source="ade20k", image_size=512, random_scale=(0.5, 2.0), flip=True, color_jitter=0.5,
            validation_fraction=0.02, task=Segmentation(decoder="none", evaluation="whole"),
        ),
        model=ModelConfig(arch="supernet_dense180", stem="imagenet"),
        searching=SearchingConfig(
            search_every="25ep", prune_every="15ep", penalty=1.4e-4, penalty_warmup="25ep",
            threshold=1e-3, least_freed=1_000_000, sparsity=0.9,
        ),
        train=TrainConfig(
            duration="200ep", batch_size=BATCH, select="last", seed=1995, validate_every="25ep",
            averaging=AveragingConfig(decay=0.9999 ** (BATCH / 4096)),
            optimizer=OptimizerConfig(
                name="adam", learning_rate=0.04, epsilon=1e-3, schedule="onecycle",
                weight_decay=1e-5, weight_decay_factors=("(?!head/).*/(bias|scale)=0",),
            ),
        ),
    )  # fmt: skip


def small():
    """Return the same in 40 epochs of 160 scenes; the penalty is larger as steps are few."""
    return config_files.replace(
        full(),
        data=DataConfig(
            source="stamps_scenes", image_size=32, flip=True, train_examples=160,
            task=Segmentation(decoder="none"),
        ),
        model=ModelConfig(arch="supernet_tiny"),
        searching=SearchingConfig(
            search_every="5ep", prune_every="3ep", penalty=3e-3, penalty_warmup="5ep",
            least_freed=10_000, sparsity=0.9,
        ),
        train__duration="40ep", train__batch_size=16, train__validate_every="5ep",
        train__averaging__decay=0.9, train__optimizer__learning_rate=0.01,
    )  # fmt: skip


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
