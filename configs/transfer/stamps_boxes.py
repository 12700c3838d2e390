"""A ticket on scenes: the objects in them, by the head of FCOS on the ticket's backbone.

    rtickets transfer --config=configs/transfer/stamps_boxes.py --workdir=runs \
        --config.ticket=runs/draw-omp0.9-... --config.data.path=/usr/share

It trains all weights; `:linear` trains the head alone on a frozen backbone. Needs
`pip install 'rtickets[scenes,detection]'` and Debian's packages tuxpaint-stamps-default and
mate-backgrounds (docs/data.md). The levels are for scenes of 64 pixels and the stem for small
images: objects of 20 to 45 pixels, places 2, 4 and 8 pixels apart.

Time: not run as it is; at 32 pixels on 800 scenes `studies/segmentation:boxes` takes a minute a
ticket, with an AP of 4% on test scenes (docs/detection.md).
"""

from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.settings import config_files
from rtickets.tasks import Detection


def get_config(mode="finetune"):
    return config_files.editable(
        TransferConfig(
            mode=mode,
            data=DataConfig(
                source="stamps_scenes", flip=True, crop_padding=4,
                task=Detection(
                    channels=64, depth=2, levels=("stage2", "stage3", "stage4"), coarser=0
                ),
            ),
            train=TrainConfig(
                duration="30ep",
                batch_size=16,
                optimizer=OptimizerConfig(name="adamw", learning_rate=2e-3),
            ),
        )
    )  # fmt: skip
