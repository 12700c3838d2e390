"""Full finetuning of a ticket on 200 digits of MNIST.

    rtickets transfer --config=configs/transfer/mnist5k_finetune.py --workdir=runs \
        --config.ticket=runs/draw-omp0.9-...

Needs `pip install 'rtickets[demo]'`. Time: a few seconds on two CPU cores. Result: see README.md,
the table of the demo.
"""

from rtickets import config_files
from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig


def get_config():
    return config_files.editable(
        TransferConfig(
            data=DataConfig(source="mnist5k", train_examples=200),
            mode="finetune",
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.05),
                duration="20ep",
                batch_size=40,
                select="last",
                validate_every="0ep",
                checkpoint_every="0ep",
            ),
        )
    )
