"""A ticket from ImageNet on the Describable Textures: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/dtd.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/dtd.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare dtd`.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0, 72.34; linear 0, 67.13; ResNet-50 finetune 0.01, 75.53; linear 0.01, 70.59.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("dtd", *argument.split(",")))
