"""A ticket on a task exactly as Fu et al. 2023 transfer it, but for their choice on test images.

    rtickets transfer --config=configs/transfer/fu2023.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/fu2023.py:cifar100,linear --workdir=runs \
        --config.ticket=runs/draw-...

The first is CIFAR-10, finetuned. Sets: cifar10, cifar100, svhn_cropped, caltech101,
oxford_flowers102, dtd, oxford_iiit_pet, sun397, cars196, each after `rtickets data prepare`.
150 epochs, batch 64, weight decay 5e-4, learning rate 0.001 (finetune; SVHN 0.004 at batch 256) or
0.01 (linear), divided by 10 after 50 and 100; 224 pixels; pixel statistics as published;
normalisation statistics adapt. The paper reports the best test accuracy over training; here a tenth
of the training images is held out and chooses, see docs/transfer.md.
Time: not measured; --dry-run estimates it.
"""

from rtickets.settings import config_files
from rtickets.stages import published


def get_config(argument="cifar10"):
    return config_files.editable(published.fu2023(*argument.split(",")))
