"""Adversarial pretraining of a ResNet-50 on ImageNet by the recipe of Salman et al. 2020.

    rtickets pretrain --config=configs/pretrain/imagenet_resnet50_robust.py --workdir=runs
    rtickets pretrain --config=configs/pretrain/imagenet_resnet50_robust.py:linf_4 --workdir=runs

PGD-3 with steps of 2/3 eps from the clean image, of which the worst image is kept, as the original
does (attack.best); in bfloat16, as it does not (model.precision=float32). The grid: l2_0.01,
l2_0.03, l2_0.05, l2_0.1, l2_0.25, l2_0.5, l2_1, l2_3 (without an argument), l2_5; linf_0.5, linf_1,
linf_2, linf_4, linf_8 in 1/255. Needs `rtickets data prepare imagenet2012`. Time: not measured,
about four times that of natural training; --dry-run estimates it. Result: not run; published clean
accuracy with l2_3: 62.83%.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(attack="l2_3"):
    return config_files.editable(recipes.imagenet("resnet50", attack))
