"""Pretraining of a small ResNet-18 on bundled images of Fashion-MNIST with Gaussian noise.

    rtickets pretrain --config=configs/pretrain/fashion_gaussian.py --workdir=runs

The same run as fashion_natural.py but for the objective, for configs/evaluate/certified.py.
Time: about that of natural pretraining.
"""

from rtickets.config import ObjectiveConfig
from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    objective = ObjectiveConfig(name="gaussian", sigma=0.25)
    return config_files.editable(recipes.fashion(objective))
