"""A ticket from ImageNet on FGVC-Aircraft: full finetuning, or linear evaluation.

    rtickets transfer --config=configs/transfer/fgvc_aircraft.py --workdir=runs \
        --config.ticket=runs/draw-...
    rtickets transfer --config=configs/transfer/fgvc_aircraft.py:linear --workdir=runs \
        --config.ticket=runs/draw-...

The learning rate is that of a ResNet-18; `:finetune,resnet50` takes a ResNet-50's.
Needs `rtickets data prepare fgvc-aircraft`. Accuracy is the mean over classes.
Time: not measured; --dry-run estimates it.
Best published source networks and accuracies (Salman et al. 2020), L2 radius and %: ResNet-18
finetune 0, 80.89; linear 0.5, 41.91; ResNet-50 finetune 0.01, 86.14; linear 1, 42.15.
"""

from rtickets.settings import config_files
from rtickets.stages import recipes


def get_config(argument="finetune"):
    return config_files.editable(recipes.transfer("fgvc-aircraft", *argument.split(",")))
