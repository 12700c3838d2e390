"""A ticket from ImageNet on CIFAR-10, upscaled to 224 pixels: finetuning or linear evaluation.

    rtickets transfer --config=configs/transfer/cifar10.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/cifar10.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare cifar10`.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 3, 97.14; linear 3, 91.64; ResNet-50 finetune 3, 98.27; linear 3, 94.81.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("cifar10", *argument.split(",")))
