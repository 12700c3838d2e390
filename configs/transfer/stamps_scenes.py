"""A ticket on scenes: the class of every pixel, by DeepLabv3+ on the ticket's backbone.

    rtickets transfer --config=configs/transfer/stamps_scenes.py --workdir=runs \
        --config.ticket=runs/draw-omp0.9-... --config.data.path=/usr/share

It trains all weights; `:linear` trains the head alone on a frozen backbone. Needs
`pip install 'rtickets[scenes]'` and Debian's packages tuxpaint-stamps-default and mate-backgrounds
(docs/data.md). The ticket should see colour (`--config.data.channels=3` in pretraining).

Time: not run as it is; at 32 pixels on 160 scenes `studies/segmentation:small` takes ten seconds a
ticket, with a mean IoU of 14 to 17% on test scenes (docs/results/segmentation_small.md).
"""

from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.settings import config_files
from rtickets.tasks import Segmentation


def get_config(mode="finetune"):
    return config_files.editable(
        TransferConfig(
            mode=mode,
            data=DataConfig(
                source="stamps_scenes", flip=True,
                task=Segmentation(output_stride=8, channels=32, fine="stage2"),
            ),
            train=TrainConfig(
                duration="20ep",
                batch_size=16,
                optimizer=OptimizerConfig(name="adamw", learning_rate=2e-3),
            ),
        )
    )  # fmt: skip
