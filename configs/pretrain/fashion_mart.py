"""MART pretraining of a small ResNet-18 on bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_mart.py --workdir=runs

The same run as fashion_natural.py but for the objective (Wang et al. 2020), here with PGD-2.
Time: about 105 seconds on two CPU cores.
"""

from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    objective = ObjectiveConfig(
        name="mart",
        attack=AttackConfig(norm="linf", eps=8 / 255, num_steps=2),
        beta=5.0,
    )
    return config_files.editable(recipes.fashion(objective))
