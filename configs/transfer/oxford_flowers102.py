"""A ticket from ImageNet on Oxford Flowers-102: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/oxford_flowers102.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/oxford_flowers102.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare oxford_flowers102`. Accuracy is the mean over classes.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0, 96.22; linear 0.1, 91.36; ResNet-50 finetune 0.01, 96.98; linear 0.1, 91.46.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("oxford_flowers102", *argument.split(",")))
