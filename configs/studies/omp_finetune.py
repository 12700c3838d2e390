"""One-shot tickets finetuned, robust against natural: accuracy against remaining weights.

    rtickets study --config=configs/studies/omp_finetune.py --workdir=runs
    rtickets study --config=configs/studies/omp_finetune.py:cifar100,resnet50 --workdir=runs
    rtickets study --config=configs/studies/omp_finetune.py:small --workdir=runs

At the published scale from ImageNet to CIFAR-10 (robust: L2 attacks of radius 3) or CIFAR-100
(radius 1) at 18 sparsities; it needs `rtickets data prepare` of imagenet2012 and the target. The
small version finetunes on 200 digits with five seeds, the learning rate of every ticket chosen on
validation images from a ladder; it needs `pip install 'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 17 minutes of one CPU core where the demo's
networks are there already. Results of the small version: docs/results/omp_finetune_small.md.
"""

from rtickets.settings import config_files
from rtickets.stages import experiments

ATTACKS = {"cifar10": "l2_3", "cifar100": "l2_1"}


def full(source, arch="resnet18"):
    transfers = experiments.transfers_to([source], "finetune")
    attacks = [ATTACKS[source]]
    return experiments.at_full_scale("omp_finetune", transfers, arch=arch, attacks=attacks)


def small():
    rates = (0.03, 0.1, 0.3, 0.9, 2.7)
    digits = experiments.few("mnist5k", "finetune", rates=rates)
    return experiments.small("omp_finetune", {"mnist5k": digits}, seeds=(0, 1, 2, 3, 4))


def get_config(size="cifar10"):
    return config_files.editable(small() if size == "small" else full(*size.split(",")))
