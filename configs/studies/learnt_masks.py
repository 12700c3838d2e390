"""Learnt masks (LMP) of natural and robust weights, searched naturally and adversarially.

    rtickets study --config=configs/studies/learnt_masks.py --workdir=runs
    rtickets study --config=configs/studies/learnt_masks.py:small --workdir=runs

Weights stay frozen while a score per weight is trained, from the weight's size on; every layer
keeps the same share. `nat` searches on clean images, `adv` on attacked ones; `_source` on the
source task, `_target` on the downstream one, under a trained head (that of the published code is
random and frozen). `omp_uniform` is where the search starts.

At the published scale from ImageNet (robust: L-infinity attacks of 4/255) to CIFAR-10 at nine
sparsities: 90 epochs on the source, 160 on the target. It needs `rtickets data prepare` of both.
The small version has two sparsities and 100 steps, and needs `pip install 'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 14 minutes of one CPU core where the demo's
networks are there already. Results of the small version: docs/results/learnt_masks_small.md.
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    ObjectiveConfig,
    OptimizerConfig,
)
from rtickets.settings import config_files
from rtickets.stages import experiments, published


def draws(eps, target, on_source, on_target):
    attack = AttackConfig(name="fgsm_rs", norm="linf", eps=eps)
    searches = {"nat": ObjectiveConfig(), "adv": ObjectiveConfig(name="pgd", attack=attack)}
    found = {"omp_uniform": DrawConfig(scope="uniform")}
    for place, data, train in (("source", None, on_source), ("target", target, on_target)):
        lmp = DrawConfig(method="lmp", scope="uniform", data=data, train=train)
        smoothing = train.objective.label_smoothing
        for search, objective in searches.items():
            own = config_files.replace(objective, label_smoothing=smoothing)
            found[f"{search}_{place}"] = config_files.replace(lmp, train__objective=own)
    return found


def full():
    on_source = published.fu2023_draw("lmp_upstream").train
    lmp = published.fu2023_draw("lmp", "cifar10")
    transfers = {
        label: config_files.replace(run, train=lmp.train)
        for label, run in experiments.transfers_to(["cifar10"], "finetune", "linear").items()
    }
    return experiments.at_full_scale(
        "learnt_masks",
        transfers,
        attacks=["linf_4"],
        draws=draws(4 / 255, lmp.data, on_source, lmp.train),
        sparsities=experiments.TENTHS,
    )


def small():
    learn = experiments.by_steps(OptimizerConfig(learning_rate=1.0), "100it")
    target = DataConfig(source="mnist5k", train_examples=200)
    return experiments.small(
        "learnt_masks",
        experiments.few_digits(),
        draws=draws(8 / 255, target, learn, learn),
        sparsities=(0.8, 0.95),
    )


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
