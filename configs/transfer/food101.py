"""A ticket from ImageNet on Food-101: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/food101.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/food101.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare food101`.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0.01, 84.06; linear 0.03, 60.26; ResNet-50 finetune 0, 87.71; linear 0.05, 66.03.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("food101", *argument.split(",")))
