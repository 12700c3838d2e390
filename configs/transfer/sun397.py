"""A ticket from ImageNet on SUN397: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/sun397.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/sun397.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare sun397`.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0, 59.58; linear 0, 51.77; ResNet-50 finetune 0, 62.38; linear 0.01, 54.88.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("sun397", *argument.split(",")))
