"""A ticket on objects: the class of what is cut out of a scene.

    rtickets transfer --config=configs/transfer/stamps_objects.py --workdir=runs \
        --config.ticket=runs/draw-omp0.9-... --config.data.path=/usr/share

It trains all weights; `:linear` trains the head alone on a frozen backbone. Needs
`pip install 'rtickets[scenes]'` and Debian's packages tuxpaint-stamps-default and mate-backgrounds
(docs/data.md). The ticket should see colour (`--config.data.channels=3` in pretraining).

Time: 83 s on a busy CPU core at 32 pixels, for a `supernet_nano` found on pixels of scenes with a
fifth of its weights, and 33% of the test objects right (the most frequent class has 19%).
"""

from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.settings import config_files


def get_config(mode="finetune"):
    return config_files.editable(
        TransferConfig(
            mode=mode,
            data=DataConfig(source="stamps_objects", flip=True),
            train=TrainConfig(
                duration="20ep",
                batch_size=32,
                optimizer=OptimizerConfig(name="adamw", learning_rate=2e-3),
            ),
        )
    )
