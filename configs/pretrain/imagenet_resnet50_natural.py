"""Natural pretraining of a ResNet-50 on ImageNet by the recipe of Salman et al. 2020.

    rtickets pretrain --config=configs/pretrain/imagenet_resnet50_natural.py --workdir=runs

The same run as imagenet_resnet50_robust.py but for the attack. Needs `rtickets data prepare
imagenet2012`. Time: not measured; --dry-run estimates it for your machine. Result: not run;
published accuracy of such a network: 75.80%.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config():
    return config_files.editable(recipes.imagenet("resnet50"))
