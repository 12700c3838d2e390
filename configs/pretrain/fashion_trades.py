"""TRADES pretraining of a small ResNet-18 on bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_trades.py --workdir=runs
    rtickets pretrain --config=configs/pretrain/fashion_trades.py --workdir=runs \
        --config.train.objective.beta=1 --config.train.averaging.decay=0.995

The same run as fashion_natural.py but for the objective (Zhang et al. 2019), here with PGD-2.
Time: about 105 seconds on two CPU cores.
"""

from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    objective = ObjectiveConfig(
        name="trades",
        attack=AttackConfig(norm="linf", eps=8 / 255, num_steps=2),
        beta=6.0,
    )
    return config_files.editable(recipes.fashion(objective))
