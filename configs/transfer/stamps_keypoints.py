"""A ticket on scenes: middle and corners of the extent of the object of which most can be seen.

    rtickets transfer --config=configs/transfer/stamps_keypoints.py --workdir=runs \
        --config.ticket=runs/draw-omp0.9-... --config.data.path=/usr/share
    rtickets transfer --config=configs/transfer/stamps_keypoints.py:supernet --workdir=runs \
        --config.ticket=runs/search-supernet_small... --config.data.path=/usr/share

It trains all weights; `:linear` trains the head alone on a frozen backbone. The head is that of
simple baselines, two deconvolutions on a network with the stem for small images; `:supernet` has a
1x1 convolution, for a ticket of a supernet. Needs `pip install 'rtickets[scenes]'` and Debian's
packages tuxpaint-stamps-default and mate-backgrounds (docs/data.md). The ticket should see colour.

Time: not run as it is.
"""

from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.settings import config_files
from rtickets.tasks import Keypoints

_COMMON = {"metric": "pck", "sigma": 1.5, "rotation": 10.0, "scale": 0.2}
HEADS = {
    "finetune": Keypoints(channels=32, layers=2, **_COMMON),
    "linear": Keypoints(channels=32, layers=2, **_COMMON),
    "supernet": Keypoints(decoder="none", **_COMMON),
}


def get_config(mode="finetune"):
    return config_files.editable(
        TransferConfig(
            mode="linear" if mode == "linear" else "finetune",
            data=DataConfig(
                source="stamps_scenes", flip=True, task=config_files.pick(HEADS, mode)
            ),
            train=TrainConfig(
                duration="20ep",
                batch_size=16,
                optimizer=OptimizerConfig(name="adamw", learning_rate=2e-3),
            ),
        )
    )  # fmt: skip
