"""A ticket from ImageNet on Stanford Cars: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/cars196.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/cars196.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare cars196`.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0, 88.22; linear 0.1, 45.67; ResNet-50 finetune 0, 91.49; linear 0.5, 47.38.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("cars196", *argument.split(",")))
