"""A ticket from ImageNet on CIFAR-100, upscaled to 224 pixels: finetuning or linear evaluation.

    rtickets transfer --config=configs/transfer/cifar100.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/cifar100.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare cifar100`.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 1, 84.41; linear 3, 74.01; ResNet-50 finetune 3, 87.45; linear 3, 79.50.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("cifar100", *argument.split(",")))
