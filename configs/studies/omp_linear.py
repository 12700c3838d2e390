"""One-shot tickets under linear evaluation, robust against natural: the head alone is trained.

    rtickets study --config=configs/studies/omp_linear.py --workdir=runs
    rtickets study --config=configs/studies/omp_linear.py:resnet50 --workdir=runs
    rtickets study --config=configs/studies/omp_linear.py:small --workdir=runs

At the published scale from ImageNet, natural and against L2 attacks of radius 3, to CIFAR-10 and
CIFAR-100 at 18 sparsities, normalisation statistics adapting to the target as in the published
code; it needs `rtickets data prepare` of imagenet2012, cifar10 and cifar100. The small version has
each target twice, with statistics that adapt and with statistics estimated anew on the source
(docs/statistics.md); it needs `pip install 'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 6 minutes of one CPU core where the demo's
networks are there already. Results of the small version: docs/results/omp_linear_small.md.
"""

from rtickets.settings import config_files
from rtickets.stages import experiments


def full(arch):
    cifar = experiments.transfers_to(("cifar10", "cifar100"), "linear")
    return experiments.at_full_scale("omp_linear", cifar, arch=arch)


def small():
    transfers = {
        f"{source}-{statistics}": experiments.few(source, "linear", statistics)
        for source in ("mnist5k", "digits")
        for statistics in ("adapt", "source")
    }
    return experiments.small("omp_linear", transfers)


def get_config(size="resnet18"):
    return config_files.editable(small() if size == "small" else full(size))
