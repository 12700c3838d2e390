"""SuperTickets on the keypoints of COCO's persons, as published.

    rtickets search --config=configs/supernet/coco_keypoints.py --workdir=runs \
        --config.data.path=/data/coco2017
    rtickets search --config=configs/supernet/coco_keypoints.py:small --workdir=runs \
        --config.data.path=/usr/share

The settings are those of the code of You et al. (2022): 210 epochs, batch 384, Adam at 0.001,
divided by 10 after 170 and 200 epochs, 1e-8 of L2 on kernels, the penalty 1e-6 risen over 25
epochs, channels every 10 epochs, weights every 15 by 10 points up to 80% (30 to 98% are released);
256x192 pixels, heatmaps of 64x48 and a deviation of 2, scaled by up to 35%, turned by a deviation
of 45 degrees, halves of bodies with a chance of 0.3, true boxes, the flip test. Otherwise than
there: hills lie about the keypoint itself, what comes in by scaling and turning is black, the flip
test shifts nothing, the head begins as usual and not with a deviation of 0.001, and validation
persons are carved from the training persons (see docs/keypoints.md). Weights are ranked by their
current values, of which tickets have the averages.
`:small` does the same on scenes of stamps in a fifth of the epochs.

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
from rtickets.tasks import Keypoints

BATCH = 384


def full():
    return SearchConfig(
        data=DataConfig(
            source="coco_keypoints", image_size=(256, 192), flip=True, validation_fraction=0.02,
            task=Keypoints(
                decoder="none", sigma=2.0, scale=0.35, rotation=45.0, half_body=0.3, flip_test=True
            ),
        ),
        model=ModelConfig(arch="supernet_keypoints", stem="imagenet"),
        searching=SearchingConfig(
            search_every="10ep", prune_every="15ep", penalty=1e-6, penalty_warmup="25ep",
            threshold=1e-3, least_freed=1_000_000, sparsity=0.8,
        ),
        train=TrainConfig(
            duration="210ep", batch_size=BATCH, select="last", seed=1995, validate_every="10ep",
            averaging=AveragingConfig(decay=0.9999 ** (BATCH / 4096)),
            optimizer=OptimizerConfig(
                name="adam", learning_rate=1e-3, schedule="multistep",
                milestones=("170ep", "200ep"), weight_decay=1e-8,
                weight_decay_factors=("(?!head/).*/(bias|scale)=0",),
            ),
        ),
    )  # fmt: skip


def small():
    """Return the same in 42 epochs of 160 scenes; the penalty is larger as steps are few."""
    return config_files.replace(
        full(),
        data=DataConfig(
            source="stamps_scenes", image_size=32, flip=True, train_examples=160,
            task=Keypoints(decoder="none", metric="pck", scale=0.35, rotation=45.0, flip_test=True),
        ),
        model=ModelConfig(arch="supernet_tiny"),
        searching=SearchingConfig(
            search_every="2ep", prune_every="3ep", penalty=1e-4, penalty_warmup="5ep",
            least_freed=10_000, sparsity=0.8,
        ),
        train__duration="42ep", train__batch_size=16, train__validate_every="6ep",
        train__averaging__decay=0.9, train__optimizer__milestones=("34ep", "40ep"),
        train__optimizer__learning_rate=5e-3,
    )  # fmt: skip


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
