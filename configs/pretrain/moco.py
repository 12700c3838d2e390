"""MoCo v2 pretraining, at the scale of the papers and small, natural or under attack.

    rtickets pretrain --config=configs/pretrain/moco.py --workdir=runs
    rtickets pretrain --config=configs/pretrain/moco.py:cifar10 --workdir=runs
    rtickets pretrain --config=configs/pretrain/moco.py:fashion --workdir=runs
    rtickets pretrain --config=configs/pretrain/moco.py:small --workdir=runs
    rtickets pretrain --config=configs/pretrain/moco.py:small-robust --workdir=runs

The first is a ResNet-50 on ImageNet and needs `rtickets data prepare imagenet2012`; `-robust` after
any of the scales raises the contrastive loss by PGD first; `fashion` is all of Fashion-MNIST.

Time: `small` about 4 minutes of one CPU core, `small-robust` 10; the others
were not run, --dry-run estimates them for your machine.
Result: docs/contrastive.md.
"""

from functools import partial
from typing import get_args

from rtickets.settings import config_files
from rtickets.stages import contrastive_recipes as recipes


def robust(scale, make):
    """Return the run under attack."""
    objective = recipes.robust(2 if scale == "small" else 7)
    return config_files.replace(make(), train__objective=objective)


def get_config(which="imagenet"):
    make = {scale: partial(recipes.moco, scale) for scale in get_args(recipes.Scale)}
    make |= {f"{scale}-robust": partial(robust, scale, one) for scale, one in make.items()}
    return config_files.editable(config_files.pick(make, which)())
