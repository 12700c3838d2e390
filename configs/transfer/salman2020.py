"""A network on a task as Salman et al. 2020 transfer it, but for their choice on test images.

    rtickets transfer --config=configs/transfer/salman2020.py --workdir=runs \
        --config.ticket=runs/pretrain-...
    rtickets transfer --config=configs/transfer/salman2020.py:food101,finetune,resnet50 \
        --workdir=runs --config.ticket=runs/pretrain-...

The first is CIFAR-10, finetuned, a ResNet-18. The learning rate is the best that they report for
the set, mode and network, 0.001 or 0.01; all else is as in fu2023.py. Networks: those of
configs/pretrain/imagenet_*, or `rtickets import`. Sets, after `rtickets data prepare`: cifar10,
cifar100, caltech101, dtd, oxford_flowers102, food101, oxford_iiit_pet, cars196, fgvc-aircraft,
sun397. Their numbers are the best test accuracy over training; here a tenth of the training images
is held out and chooses, see docs/transfer.md.
Time: not measured; --dry-run estimates it.
"""

from rtickets.settings import config_files
from rtickets.stages import published


def get_config(argument="cifar10"):
    return config_files.editable(published.salman2020(*argument.split(",")))
