"""A ticket by the connection sensitivity of its weights (SNIP) on adversarial examples.

    rtickets draw --config=configs/draw/snip.py --workdir=runs \
        --config.ticket=runs/pretrain-pgd-... --config.sparsity=0.95

Another score on the same examples: --config.criterion=taylor or grasp; clean images: attack=None
below. The examples are training images of the task that the network was trained on.

Time: about 20 seconds on two CPU cores for the network of configs/pretrain/fashion_robust.py.
Result: a folder draw-omp0.95-... with exactly the asked number of survivors.
"""

from rtickets.config import AttackConfig, DrawConfig
from rtickets.settings import config_files


def get_config():
    attack = AttackConfig(eps=8 / 255, num_steps=2)
    return config_files.editable(DrawConfig(criterion="snip", sparsity=0.9, attack=attack))
