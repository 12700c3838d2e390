"""A ticket from ImageNet on SVHN at its own 32 pixels: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/svhn_cropped.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/svhn_cropped.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare svhn_cropped`.
Time: not measured; --dry-run estimates it.
Tuned by Fu et al. 2023 with a network of L2 radius 1; no accuracies to compare with.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("svhn_cropped", *argument.split(",")))
