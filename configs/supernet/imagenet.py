"""SuperTickets on ImageNet, as published: search, pruning and training in one run.

    rtickets search --config=configs/supernet/imagenet.py --workdir=runs
    rtickets search --config=configs/supernet/imagenet.py:small --workdir=runs

The settings are those of the code of You et al. (2022): 350 epochs, batch 512, RMSprop at 0.016 for
256 images, multiplied by 0.97 every 2.4 epochs after a rise over 5, 1e-5 of L2 on kernels and the
bias of the head, labels smoothed by 0.1, the penalty 1.8e-4 risen over 25 epochs, channels every 10
epochs, weights every 25 by 10 points up to 90% (95 and 98% are released too). Otherwise than there:
the rise begins at 0 and not at half of the rate, there is no dropout, and validation images are
carved from the training images. Weights are ranked by their current values, of which tickets have
the averages. `:small` does the same on Fashion-MNIST in a tenth of the epochs.

Time: not run.
"""

from rtickets.config import (
    AveragingConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    SearchConfig,
    SearchingConfig,
    TrainConfig,
)
from rtickets.settings import config_files

BATCH = 512


def full():
    return SearchConfig(
        data=DataConfig(
            source="imagenet2012", image_size=224, interpolation="bicubic", color_jitter=0.0,
            lighting=0.0, validation_fraction=0.01,
        ),
        model=ModelConfig(arch="supernet_classes", stem="imagenet"),
        searching=SearchingConfig(
            search_every="10ep", prune_every="25ep", penalty=1.8e-4, penalty_warmup="25ep",
            threshold=1e-3, least_freed=1_000_000, sparsity=0.9,
        ),
        train=TrainConfig(
            duration="350ep", batch_size=BATCH, select="last", seed=1995, validate_every="10ep",
            objective=ObjectiveConfig(label_smoothing=0.1),
            averaging=AveragingConfig(decay=0.9999 ** (BATCH / 4096)),
            optimizer=OptimizerConfig(
                name="rmsprop", learning_rate=0.016 * BATCH / 256, epsilon=1e-3, alpha=0.9,
                schedule="exponential", milestones=("12ep",), decay_factor=0.97**5, warmup="5ep",
                weight_decay=1e-5, weight_decay_factors=("(?!head/).*/(bias|scale)=0",),
            ),
        ),
    )  # fmt: skip


def small():
    """Return the same in 35 epochs of 1,600 images; the penalty is larger as steps are few."""
    return config_files.replace(
        full(),
        data=DataConfig(source="fashion_mini", train_examples=1600),
        model=ModelConfig(arch="supernet_tiny"),
        searching=SearchingConfig(
            search_every="1ep", prune_every="3ep", penalty=1e-3, penalty_warmup="2ep",
            least_freed=10_000, sparsity=0.9,
        ),
        train__duration="35ep", train__batch_size=64, train__validate_every="5ep",
        train__averaging__decay=0.9, train__optimizer__milestones=("1ep",),
        train__optimizer__learning_rate=4e-3, train__optimizer__warmup="1ep",
    )  # fmt: skip


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
