"""A ticket from ImageNet on a task of VTAB-1k (Zhai et al. 2019): 800 + 200 images.

    rtickets transfer --config=configs/transfer/vtab.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/vtab.py:dsprites_location --workdir=runs \
        --config.ticket=runs/draw-...

The tasks: `rtickets data list`. Images are stretched to 224 pixels and not augmented. Needs the set
of TensorFlow Datasets: `rtickets data prepare tfds:NAME`. Settings are ours, not tuned; the
benchmark trains for 2,500 steps. Time: not measured.
"""

from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.settings import config_files


def get_config(task="cifar100"):
    return config_files.editable(
        TransferConfig(
            data=DataConfig(source=f"vtab:{task}"),
            train=TrainConfig(
                optimizer=OptimizerConfig(
                    learning_rate=1e-2,
                    weight_decay=1e-4,
                    schedule="multistep",
                    milestones=("833it", "1666it"),
                ),
                duration="2500it",
                batch_size=64,
                validate_every="250it",
            ),
        )
    )
