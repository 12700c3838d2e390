"""What else tickets have: calibration, unknown images, corruptions, adversarial accuracy.

    rtickets study --config=configs/studies/properties.py --workdir=runs
    rtickets study --config=configs/studies/properties.py:small --workdir=runs

One-shot tickets at three sparsities, finetuned: accuracy, ECE and negative log-likelihood, AUROC
against noise and another set, the mean accuracy over common corruptions, accuracy under attack.

At the published scale from ImageNet to CIFAR-10 and CIFAR-100, with all corruptions and severities;
it needs `rtickets data prepare` of them and of svhn_cropped, and the textures of frost:
`pip install --no-deps imagecorruptions==1.1.2`. The small version has 200 digits, and all
corruptions but frost at severity 3; it needs `pip install 'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 5 minutes of one CPU core where the demo's
networks are there already. Results of the small version: docs/results/properties_small.md.
"""

from rtickets.config import AttackConfig, DataConfig, EvaluateConfig, MeasureConfig
from rtickets.data.images.corruptions import CORRUPTIONS
from rtickets.settings import config_files
from rtickets.stages import experiments


def properties(others, corruptions, attacks, examples):
    measures = {
        "calibration": MeasureConfig(name="calibration"),
        "noise": MeasureConfig(name="ood", noise="gaussian"),
        "others": MeasureConfig(name="ood", data=DataConfig(source=others)),
        "corruptions": MeasureConfig(name="corruptions", **corruptions),
    }
    return EvaluateConfig(measures=measures, attacks=attacks, attack_examples=examples)


def full():
    transfers = experiments.transfers_to(("cifar10", "cifar100"), "finetune")
    attacks = {
        "pgd3": AttackConfig(eps=3 / 255, num_steps=3, step_size=2 / 255),
        "ensemble": AttackConfig(name="autoattack", eps=3 / 255),
    }
    evaluate = properties("svhn_cropped", {"examples": None}, attacks, 1000)
    return experiments.at_full_scale(
        "properties", transfers, evaluate=evaluate, sparsities=(0.8, 0.95, 0.99)
    )


def small():
    chosen = {
        "corruptions": tuple(name for name in CORRUPTIONS if name != "frost"),
        "severities": (3,),
        "table": "cifar",
        "examples": 200,
    }
    attacks = {"pgd10": AttackConfig(eps=8 / 255, num_steps=10)}
    evaluate = properties("fashion_mini", chosen, attacks, 200)
    evaluate = config_files.replace(evaluate, batch_size=200, honesty_examples=16)
    transfers = {"mnist5k": experiments.few("mnist5k", "finetune")}
    return experiments.small(
        "properties", transfers, evaluate=evaluate, sparsities=(0.8, 0.9, 0.98)
    )


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
