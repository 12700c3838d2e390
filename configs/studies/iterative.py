"""Iterative tickets: A-IMP and IMP, drawn on the source and on the target, beside one-shot ones.

    rtickets study --config=configs/studies/iterative.py --workdir=runs
    rtickets study --config=configs/studies/iterative.py:small --workdir=runs

A-IMP trains against one step of size 1.25 eps from a random start between the prunings, IMP
naturally; both rewind to the pretrained network. `_source` draws on the source task, `_target` on
the downstream one. The published comparison is A-IMP of the robust network against IMP of the
natural one; the grid has all four.

At the published scale from ImageNet (robust: L-infinity attacks of 4/255) to CIFAR-10, 19 states of
a fifth, 10 epochs each at a rate of 2e-4 on the source, 60 on the target (of which the authors'
first state has 182); the stem is left alone. It needs `rtickets data prepare` of both. The small
version halves the survivors in states of 40 steps, and needs `pip install 'rtickets[demo]'`.

Time: full, not run, --dry-run estimates it; small, 10 minutes of one CPU core where the demo's
networks are there already. Results of the small version: docs/results/iterative_small.md.
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    ImpConfig,
    ObjectiveConfig,
    OptimizerConfig,
)
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages import experiments, published


def draws(eps, target, on_source, on_target, **options):
    attack = AttackConfig(name="fgsm_rs", norm="linf", eps=eps)
    adversarial = ObjectiveConfig(name="pgd", attack=attack)
    found = {}
    for place, data, train in (("source", None, on_source), ("target", target, on_target)):
        natural = DrawConfig(data=data, train=train, **{"method": "imp", **options})
        found[f"imp_{place}"] = natural
        found[f"aimp_{place}"] = config_files.replace(natural, train__objective=adversarial)
    return found


def full():
    stem = {"exclude": r"stem_conv/.*"}
    on_source = published.fu2023_draw("imp").train
    falling = OptimizerConfig(
        weight_decay=2e-4, schedule="multistep", milestones=("37ep", "51ep"), warmup="1ep"
    )
    on_target = config_files.replace(on_source, optimizer=falling, duration="60ep", batch_size=256)
    target = published.fu2023("cifar10").data
    transfers = experiments.transfers_to(["cifar10"], "finetune", "linear")
    return experiments.at_full_scale(
        "iterative",
        transfers,
        attacks=["linf_4"],
        draws={"omp": DrawConfig(**stem), **draws(4 / 255, target, on_source, on_target, **stem)},
        sparsities=imp_ladder(19),
    )


def small():
    constant = OptimizerConfig(learning_rate=0.1, schedule="constant")
    states = experiments.by_steps(constant, "40it")
    target = DataConfig(source="mnist5k", train_examples=200)
    return experiments.small(
        "iterative",
        experiments.few_digits(),
        draws={
            "omp": DrawConfig(),
            **draws(8 / 255, target, states, states, method=ImpConfig(rate=0.5)),
        },
        sparsities=(0.75, 0.9375),  # every second state that halves the survivors
    )


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
