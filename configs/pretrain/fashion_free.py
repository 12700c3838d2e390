"""Free adversarial pretraining of a small ResNet-18 on bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_free.py --workdir=runs

The same run as fashion_natural.py but for the objective (Shafahi et al. 2019). Every batch is
trained on 4 times in a row, so the run takes as many steps as the others but sees a quarter of
their batches. Time: about 55 seconds on two CPU cores.
"""

from rtickets.config import AttackConfig, ObjectiveConfig
from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    objective = ObjectiveConfig(
        name="free",
        attack=AttackConfig(name="fgsm", norm="linf", eps=8 / 255),
        replays=4,
    )
    return config_files.editable(recipes.fashion(objective))
