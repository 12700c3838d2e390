"""Structured tickets: rows, kernels and whole filters, robust against natural.

    rtickets study --config=configs/studies/patterns.py --workdir=runs
    rtickets study --config=configs/studies/patterns.py:small --workdir=runs

Groups are ranked layer by layer by the sum of their weights' sizes, as published; `element` is the
same without groups. At the published scale from ImageNet to CIFAR-10, finetuned and under linear
evaluation, at 18 sparsities; it needs `rtickets data prepare` of both. The small version has two
sparsities and 200 digits, and needs `pip install 'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 6 minutes of one CPU core where the demo's
networks are there already. Results of the small version: docs/results/patterns_small.md.
"""

from rtickets.config import DrawConfig
from rtickets.settings import config_files
from rtickets.stages import experiments

DRAWS = {
    pattern: DrawConfig(pattern=pattern, scope="uniform")
    for pattern in ("element", "row", "kernel", "channel")
}


def full():
    transfers = experiments.transfers_to(["cifar10"], "finetune", "linear")
    return experiments.at_full_scale("patterns", transfers, draws=DRAWS)


def small():
    transfers = {
        "mnist5k-finetune": experiments.few("mnist5k", "finetune"),
        "mnist5k-linear": experiments.few("mnist5k", "linear", "source"),
    }
    return experiments.small("patterns", transfers, draws=DRAWS, sparsities=(0.5, 0.8))


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
