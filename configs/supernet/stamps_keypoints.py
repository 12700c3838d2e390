"""An architecture and its ticket in one run: a supernet on the scenes, by keypoints.

    rtickets search --config=configs/supernet/stamps_keypoints.py --workdir=runs \
        --config.data.path=/usr/share
    rtickets search --config=configs/supernet/stamps_keypoints.py:small --workdir=runs \
        --config.data.path=/usr/share

What `supernet/stamps_scenes` does for masks, for the middle and the corners of the extent of the
object of which most can be seen, on the same scenes. Needs `pip install 'rtickets[scenes]'` and
Debian's packages tuxpaint-stamps-default and mate-backgrounds (docs/data.md).

Time: not run. Weights of the penalty are not tuned: see docs/supernets.md.
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


def full():
    return SearchConfig(
        data=DataConfig(
            source="stamps_scenes", image_size=64, flip=True,
            task=Keypoints(decoder="none", metric="pck", sigma=1.5, rotation=10.0, scale=0.2),
        ),
        model=ModelConfig(arch="supernet_small", stem="imagenet"),
        searching=SearchingConfig(
            search_every="3ep", prune_every="4ep", penalty_warmup="4ep", penalty=3e-4,
            least_freed=100_000, sparsity=0.8,
        ),
        train=TrainConfig(
            duration="60ep", batch_size=32, select="last",
            averaging=AveragingConfig(decay=0.9999 ** (32 / 4096)),
            optimizer=OptimizerConfig(name="adamw", learning_rate=2e-3, weight_decay=1e-5),
        ),
    )  # fmt: skip


def small():
    return config_files.replace(
        full(), model=ModelConfig(arch="supernet_tiny"), data__image_size=32,
        data__train_examples=160, train__batch_size=16, train__duration="40ep",
    )  # fmt: skip


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
