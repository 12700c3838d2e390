"""A ticket by iterative magnitude pruning (IMP): train, remove a fifth of the survivors, rewind.

    rtickets draw --config=configs/draw/imp.py --workdir=runs \
        --config.ticket=runs/pretrain-natural-...
    rtickets draw --config=configs/draw/imp.py:mnist5k --workdir=runs \
        --config.ticket=runs/pretrain-natural-... --config.sparsity=0.95

The first draws on the task that the network was trained on, the second on 5,000 digits of MNIST
under a fresh head (needs `pip install 'rtickets[demo]'`). Every state leaves a ticket of its own,
which longer chains go on from. Killed, the same command goes on where it was.

Time: 2.8 minutes for the 19 states of 0.8^k, the demo's network on two CPU cores beside other work.
Result: a folder draw-imp0.9856-... with the pretrained weights under the new mask.
"""

from rtickets.config import DataConfig, DrawConfig, OptimizerConfig, TrainConfig
from rtickets.settings import config_files


def get_config(task=None):
    return config_files.editable(
        DrawConfig(
            method="imp",
            sparsity=round(1 - 0.8**19, 12),  # 19 states, as published
            data=DataConfig(source=task) if task else None,
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.02, schedule="constant"),
                duration="150it",
                batch_size=64,
                select="last",
                validate_every="0ep",
            ),
        )
    )
