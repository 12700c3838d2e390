"""Tickets that win twice: natural, fast and PGD pretraining, natural and adversarial transfer.

    rtickets study --config=configs/studies/double_win.py --workdir=runs
    rtickets study --config=configs/studies/double_win.py:small --workdir=runs

IMP trains as its network was pretrained, prunes first and rewinds everything (Chen et al. 2022,
"Data-efficient double-win lottery tickets"). Tickets then learn a target with parts of its data,
naturally and against PGD; the report says up to which sparsity they keep up with their dense
network in SA after the first, and in SA and RA after the second. `random` has as many weights alive
in every layer as the ticket, at random places.

At the published scale a ResNet-50 goes from ImageNet, against L-infinity attacks of 8/255, to
CIFAR-10, CIFAR-100 and SVHN with 1%, 10% and all of their data, 19 states of 30 epochs; weights of
adversarial trainings are chosen by RA on validation images (`-ra`), and once more by SA (`-sa`); RA
is under PGD-20 and AutoAttack. It needs `rtickets data prepare` of all four.

Small is a ResNet-18 of width 1/8 at 16 pixels: three epochs of 10,800 images of Fashion-MNIST,
states of 60 steps that halve the survivors, and 75 steps of 40 images of `mnist5k` or `animals`, a
tenth or all of them, the last weights; RA is under PGD-10 on 250 test images. It needs
`pip install 'rtickets[demo]'` and `pip install --no-deps animal-mnist==0.4`.

Time: full, not run, --dry-run estimates it; small, 27 minutes of one CPU core. Result of the small
version: docs/results/double_win_small.md.
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ImpConfig,
    ObjectiveConfig,
    OptimizerConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages import experiments, recipes

EPS = 8 / 255
PARTS = {"1": 0.01, "10": 0.1, "all": None}


def against(steps, statistics="frozen", **attack):
    pgd = AttackConfig(norm="linf", eps=EPS, num_steps=steps, **attack)
    return ObjectiveConfig(name="pgd", attack=pgd, attack_statistics=statistics)


def fast(statistics="frozen"):
    one = AttackConfig(name="fgsm_rs", norm="linf", eps=EPS)
    return ObjectiveConfig(name="pgd", attack=one, attack_statistics=statistics)


def draws(train, rate):
    imp = DrawConfig(method=ImpConfig(rate=rate, first="prune"), train=train)
    return {
        "draws": {"imp": imp, "random": config_files.replace(imp, control="random")},
        "drawn_as_pretrained": ("imp", "random"),
    }


def downstream(
    source, rate, duration, batch_size, part, objective=None, select="best", **optimizer
):
    """Return the published transfer at 224 pixels, as augmented there."""
    data = DataConfig(
        source=source, train_fraction=part, train_choice="random" if part is None else "prefix",
        image_size=224, resize=256, random_resized_crop=True, flip=True, crop_padding=0,
    )  # fmt: skip
    return TransferConfig(
        data=data,
        normalization="target",
        train=TrainConfig(
            objective=objective or ObjectiveConfig(),
            optimizer=OptimizerConfig(learning_rate=rate, **optimizer),
            duration=duration,
            batch_size=batch_size,
            select=select,
        ),
    )


def both_ways(source, part):
    """Return the three published transfers to a part of a set, by the end of their label."""
    falling = {"schedule": "multistep"}
    robust = {"objective": against(10, "batch_and_update", step_size=2 / 255)}
    if source == "svhn_cropped":
        how = (source, 0.01, "80ep", 128, part)
    else:
        how = (source, 0.1, "100ep", 128, part)
        robust |= {**falling, "milestones": ("50ep", "75ep")}
    natural = {**falling, "milestones": ("50ep", "100ep")}
    return {
        "natural": downstream(source, 1e-3, "150ep", 64, part, **natural),
        "adv-ra": downstream(*how, **robust),
        "adv-sa": downstream(*how, select="best_clean", **robust),
    }


def full():
    pretrain = recipes.imagenet("resnet50")
    constant = OptimizerConfig(learning_rate=5e-4, weight_decay=1e-4, schedule="constant")
    states = experiments.by_steps(constant, "30ep")
    in_ball = {"num_steps": 20, "step_size": 2 / 255}
    return StudyConfig(
        name="double_win",
        seeds=experiments.SEEDS,
        pretrain=pretrain,
        objectives={
            "natural": ObjectiveConfig(),
            "fast": fast("batch_and_update"),
            "pgd": against(3, "batch_and_update", step_size=2 / 3 * EPS),
        },
        **draws(config_files.replace(states, batch_size=2048), rate=0.2),
        sparsities=imp_ladder(19),
        transfers={
            f"{source}-{share}-{how}": transfer
            for source in ("cifar10", "cifar100", "svhn_cropped")
            for share, part in PARTS.items()
            for how, transfer in both_ways(source, part).items()
        },
        evaluate=EvaluateConfig(
            attacks={
                "pgd20": AttackConfig(norm="linf", eps=EPS, **in_ball),
                "autoattack": AttackConfig(name="autoattack", norm="linf", eps=EPS),
            },
            attack_examples=1000,
        ),
    )


def few_steps(source, part, objective):
    train = experiments.by_steps(OptimizerConfig(learning_rate=0.2), "75it")
    return TransferConfig(
        data=DataConfig(source=source, train_fraction=part, image_size=16, channels=1),
        train=config_files.replace(train, batch_size=40, objective=objective),
    )


def small():
    constant = OptimizerConfig(learning_rate=0.05, schedule="constant")
    ladder = imp_ladder(4, 0.5)
    study = experiments.small(
        "double_win",
        {
            f"{source}-{share}-{how}": few_steps(source, PARTS[share], objective)
            for source in ("mnist5k", "animals")
            for share in ("10", "all")
            for how, objective in (("natural", ObjectiveConfig()), ("adv", against(2)))
        },
        objectives={"natural": ObjectiveConfig(), "fast": fast(), "pgd": against(2)},
        **draws(experiments.by_steps(constant, "60it"), rate=0.5),
        sparsities=(ladder[0], ladder[1], ladder[3]),
        ladders={"random": (ladder[3],)},
        evaluate=EvaluateConfig(
            attacks={"pgd": AttackConfig(norm="linf", eps=EPS, num_steps=10)},
            attack_examples=250,
            honesty_examples=0,
            batch_size=250,
        ),
    )
    return config_files.replace(study, pretrain__data__image_size=16)


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
