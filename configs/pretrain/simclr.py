"""SimCLR pretraining, at the scale of the papers and small, natural or under attack.

    rtickets pretrain --config=configs/pretrain/simclr.py --workdir=runs
    rtickets pretrain --config=configs/pretrain/simclr.py:cifar10 --workdir=runs
    rtickets pretrain --config=configs/pretrain/simclr.py:fashion --workdir=runs
    rtickets pretrain --config=configs/pretrain/simclr.py:small --workdir=runs
    rtickets pretrain --config=configs/pretrain/simclr.py:small-robust --workdir=runs
    rtickets pretrain --config=configs/pretrain/simclr.py:tickets --workdir=runs

The first is a ResNet-50 on ImageNet and needs `rtickets data prepare imagenet2012`; `-robust` after
any of the scales raises the contrastive loss by PGD first; `fashion` is all of Fashion-MNIST, and
`tickets` the training on ImageNet that tickets were drawn by (Chen et al. 2021).

Time: `small` about 6 minutes of one CPU core, `small-robust` 15; the others
were not run, --dry-run estimates them for your machine.
Result: docs/contrastive.md.
"""

from rtickets.settings import config_files
from rtickets.stages import contrastive_recipes as recipes


def get_config(which="imagenet"):
    scale, _, how = which.partition("-")
    config = recipes.as_tickets() if scale == "tickets" else recipes.simclr(scale)
    if how == "robust":
        steps = 2 if scale == "small" else 7
        config = config_files.replace(config, train__objective=recipes.robust(steps))
    return config_files.editable(config)
