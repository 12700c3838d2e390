"""Clean accuracy, and accuracy under PGD-20 in two norms, on the test split of a network's task.

    rtickets evaluate --config=configs/evaluate/pgd.py --workdir=runs \
        --config.ticket=runs/transfer-mnist5k-finetune-...

Time: about 20 seconds on two CPU cores for 500 attacked images.
"""

from rtickets.config import AttackConfig, EvaluateConfig
from rtickets.settings import config_files


def get_config():
    return config_files.editable(
        EvaluateConfig(
            attacks={
                "linf": AttackConfig(norm="linf", eps=8 / 255, num_steps=20),
                "l2": AttackConfig(norm="l2", eps=0.5, num_steps=20),
            },
            attack_examples=500,
        )
    )
