"""A ticket by learnable mask pruning (LMP): a mask learnt on digits over frozen pretrained weights.

    rtickets draw --config=configs/draw/lmp.py --workdir=runs \
        --config.ticket=runs/pretrain-pgd-... --config.sparsity=0.9
    rtickets draw --config=configs/draw/lmp.py:source --workdir=runs \
        --config.ticket=runs/pretrain-pgd-...

The first learns on 5,000 digits of MNIST under a fresh head (needs `pip install 'rtickets[demo]'`),
the second on the task that the network was trained on. Every layer keeps the same share of its
weights; scores start at their magnitudes. Besides the scores, the head is trained and normalisation
statistics are re-estimated on the images (`--config.train.statistics=frozen` keeps the network's).

Time: 1.9 minutes for the demo's network on one CPU core beside other work.
Result: a folder draw-lmp0.8-... with the ticket.
"""

from rtickets.config import DataConfig, DrawConfig, OptimizerConfig, TrainConfig
from rtickets.settings import config_files


def get_config(task="mnist5k"):
    return config_files.editable(
        DrawConfig(
            method="lmp",
            sparsity=0.8,
            scope="uniform",
            data=None if task == "source" else DataConfig(source=task),
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.1),
                duration="5ep",
                batch_size=64,
                select="last",
            ),
        )
    )
