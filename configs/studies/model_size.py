"""Of two networks with as many weights left, is the larger one's ticket better?

    rtickets study --config=configs/studies/model_size.py --workdir=runs
    rtickets study --config=configs/studies/model_size.py:small --workdir=runs

SimCLR pretraining of a ResNet-50 and of a ResNet-152, IMP on the pretraining task, CIFAR-100 (Chen
et al. 2021). The larger one has 2.5 times as many prunable weights, close to 0.8^-4: its ticket
after k + 4 states has as many left as the smaller one's after k, to 1%. It needs `rtickets data
prepare` of imagenet2012 and cifar100. Small has ResNet-18s of width 1/8 and 1/4 at 16 pixels, whose
weights are 1 to 4: two states that halve them make up for it. It needs
`pip install 'rtickets[demo]'` and `pip install --no-deps animal-mnist==0.4`.

Time: not run, --dry-run estimates it.
"""

from rtickets.config import DrawConfig, EvaluateConfig, ImpConfig, OptimizerConfig, StudyConfig
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages import contrastive_recipes, experiments


def study(name, pretrainings, train, rate, states, transfers, **options):
    return StudyConfig(
        name=name,
        seeds=experiments.SEEDS,
        baseline=next(iter(pretrainings)),
        objectives={},
        pretrainings=pretrainings,
        draws={
            "imp": DrawConfig(method=ImpConfig(rate=rate, first="prune"), train=train, **options)
        },
        sparsities=imp_ladder(states, rate),
        transfers=transfers,
        evaluate=EvaluateConfig(batch_size=250),
    )


def full():
    smaller = contrastive_recipes.simclr("imagenet")
    pretrainings = {
        "resnet50": smaller,
        "resnet152": config_files.replace(smaller, model__arch="resnet152"),
    }
    constant = OptimizerConfig(learning_rate=1e-4, weight_decay=1e-4, schedule="constant")
    states = config_files.replace(experiments.by_steps(constant, "10ep"), batch_size=256)
    transfers = experiments.transfers_to(["cifar100"], "finetune")
    return study("model_size", pretrainings, states, 0.2, 18, transfers, exclude="stem_conv/.*")


def small():
    narrow = experiments.small_pretrainings()["simclr"]
    pretrainings = {
        "width_8": narrow,
        "width_16": config_files.replace(narrow, model__width=0.25),
    }
    constant = OptimizerConfig(learning_rate=0.05, schedule="constant")
    states = config_files.replace(experiments.by_steps(constant, "60it"), batch_size=128)
    transfers = {source: experiments.few_grey(source) for source in ("mnist5k", "animals")}
    return study("model_size_small", pretrainings, states, 0.5, 5, transfers)


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
