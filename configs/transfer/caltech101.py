"""A ticket from ImageNet on Caltech-101: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/caltech101.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/caltech101.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare caltech101`. Accuracy is the mean over classes.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0, 92.06; linear 0.1, 89.49; ResNet-50 finetune 0.03, 94.61; linear 1, 91.07.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("caltech101", *argument.split(",")))
