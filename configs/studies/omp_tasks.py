"""One-shot tickets on many tasks, robust against natural, finetuned and under linear evaluation.

    rtickets study --config=configs/studies/omp_tasks.py --workdir=runs
    rtickets study --config=configs/studies/omp_tasks.py:small --workdir=runs

At the published scale from ImageNet, natural and against L2 attacks of radius 0.1, 1 and 3, as the
best radius differs by task, to Caltech-101, Flowers, DTD, Pets, SUN397, SVHN and Cars at 18
sparsities; it needs `rtickets data prepare` of all of them. The small version goes to 8x8 digits
and to cut-outs of animals, 200 images each; it needs `pip install 'rtickets[demo]'` and
`pip install --no-deps animal-mnist==0.4`.

Time: full, not run, --dry-run estimates it; small, 8 minutes on two CPU cores (estimated).
"""

from rtickets.settings import config_files
from rtickets.stages import experiments

TASKS = (
    "caltech101",
    "oxford_flowers102",
    "dtd",
    "oxford_iiit_pet",
    "sun397",
    "svhn_cropped",
    "cars196",
)


def full():
    transfers = experiments.transfers_to(TASKS, "finetune", "linear")
    attacks = ("l2_0.1", "l2_1", "l2_3")
    return experiments.at_full_scale("omp_tasks", transfers, attacks=attacks)


def small():
    transfers = {
        f"{source}-{mode}": experiments.few(source, mode)
        for source in ("digits", "animals")
        for mode in ("finetune", "linear")
    }
    return experiments.small("omp_tasks", transfers)


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
