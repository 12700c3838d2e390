"""PGD adversarial pretraining of a small ResNet-18 on the bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_robust.py --workdir=runs
    rtickets pretrain --config=configs/pretrain/fashion_robust.py --workdir=runs \
        --config.train.objective.attack.norm=l2 --config.train.objective.attack.eps=0.5

The same run as fashion_natural.py but for the objective. Time: about 70 seconds on two CPU cores.
Result: about 77% on validation images under the training attack, PGD-2 in L-infinity 8/255.
"""

from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    objective = ObjectiveConfig(
        name="pgd", attack=AttackConfig(norm="linf", eps=8 / 255, num_steps=2)
    )
    return config_files.editable(recipes.fashion(objective))
