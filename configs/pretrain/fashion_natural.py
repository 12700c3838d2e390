"""Natural pretraining of a small ResNet-18 on the bundled 12,000 images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_natural.py --workdir=runs

Time: about 35 seconds on two CPU cores. Result: about 86% on validation images.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    return config_files.editable(recipes.fashion())
