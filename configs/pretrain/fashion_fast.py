"""Fast adversarial pretraining of a small ResNet-18 on bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_fast.py --workdir=runs

The same run as fashion_natural.py but for the objective, FGSM from a random start (Wong et al.
2020). It stops when validation accuracy under PGD-10 falls by more than 20 points from one epoch to
the next, and returns the weights from before. Time: about 55 seconds on two CPU cores.
"""

from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    objective = ObjectiveConfig(
        name="fast", attack=AttackConfig(name="fgsm_rs", norm="linf", eps=8 / 255)
    )
    return config_files.editable(recipes.fashion(objective))
