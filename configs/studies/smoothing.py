"""Another robust pretraining: Gaussian noise, beside attacks and nothing.

    rtickets study --config=configs/studies/smoothing.py --workdir=runs
    rtickets study --config=configs/studies/smoothing.py:small --workdir=runs

At the published scale ResNet-50s from ImageNet, with noise of deviation 0.5 (Cohen et al. 2019) and
against L2 attacks of radius 3, to CIFAR-10 and CIFAR-100; it needs `rtickets data prepare` of them.
The small version has noise of 0.25 and the demo's attack, 200 digits, finetuned and under linear
evaluation; it needs `pip install 'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 4 minutes of one CPU core where the demo's
networks are there already. Results of the small version: docs/results/smoothing_small.md.
"""

from rtickets.config import ObjectiveConfig
from rtickets.settings import config_files
from rtickets.stages import experiments
from rtickets.stages.demo import demo_study


def full():
    transfers = experiments.transfers_to(("cifar10", "cifar100"), "finetune", "linear")
    study = experiments.at_full_scale("smoothing", transfers, arch="resnet50")
    noise = ObjectiveConfig(name="gaussian", sigma=0.5)
    return config_files.replace(study, objectives={**study.objectives, "noise": noise})


def small():
    transfers = {
        "mnist5k-finetune": experiments.few("mnist5k", "finetune"),
        "mnist5k-linear": experiments.few("mnist5k", "linear", "source"),
    }
    noise = ObjectiveConfig(name="gaussian", sigma=0.25)
    objectives = {**demo_study().objectives, "noise": noise}
    return experiments.small("smoothing", transfers, objectives=objectives)


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
