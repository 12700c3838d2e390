"""A ticket from ImageNet on the Oxford-IIIT Pets: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/oxford_iiit_pet.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/oxford_iiit_pet.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare oxford_iiit_pet`. Accuracy is the mean over classes.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0, 92.05; linear 0, 89.78; ResNet-50 finetune 0.05, 93.71; linear 0.03, 91.32.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("oxford_iiit_pet", *argument.split(",")))
