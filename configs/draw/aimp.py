"""A ticket by adversarial iterative magnitude pruning (A-IMP): IMP that trains on attacked images.

    rtickets draw --config=configs/draw/aimp.py --workdir=runs \
        --config.ticket=runs/pretrain-pgd-...
    rtickets draw --config=configs/draw/aimp.py:mnist5k --workdir=runs \
        --config.ticket=runs/pretrain-pgd-...

The same run as imp.py but for the objective: one step of size 1.25 eps from a random start, as in
Fu et al. 2023. Time: 3.1 minutes for the 19 states of 0.8^k, the demo's network on two CPU cores
beside other work. Result: a folder draw-imp0.9856-...
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from rtickets.settings import config_files


def get_config(task=None):
    attack = AttackConfig(name="fgsm_rs", norm="linf", eps=8 / 255)
    return config_files.editable(
        DrawConfig(
            method="imp",
            sparsity=round(1 - 0.8**19, 12),  # 19 states, as published
            data=DataConfig(source=task) if task else None,
            train=TrainConfig(
                objective=ObjectiveConfig(name="pgd", attack=attack),
                optimizer=OptimizerConfig(learning_rate=0.02, schedule="constant"),
                duration="150it",
                batch_size=64,
                select="last",
                validate_every="0ep",
            ),
        )
    )
