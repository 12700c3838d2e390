"""What of a mask matters? Iterative tickets against their complement, random and perturbed masks.

    rtickets study --config=configs/studies/perturbation.py --workdir=runs
    rtickets study --config=configs/studies/perturbation.py:small --workdir=runs

IMP on the target, from pretrained weights, from random ones, and from those of early training
(Chen et al. 2021). Beside every ticket `complement` has as many weights, the smallest, which a
ticket of the other sparsity lacks (the paper's, all that the ticket itself lacks); `random` has as
many in every layer at random places, and of `perturbed` a tenth of the ones and of the zeros are
flipped, which changes the sparsity. At the published scale a ResNet-50 of ImageNet on CIFAR-100, at
four states of 182 epochs; it needs `rtickets data prepare` of both. Small is the demo's network at
16 pixels, states of 60 steps that halve the survivors, 200 images of `mnist5k`; it needs
`pip install 'rtickets[demo]'`.

Time: not run, --dry-run estimates it.
"""

from rtickets.config import DrawConfig, EvaluateConfig, ImpConfig, OptimizerConfig, StudyConfig
from rtickets.draw.ladder import imp_ladder
from rtickets.settings import config_files
from rtickets.stages import experiments, recipes

CONTROLS = (None, "complement", "random", "perturbed")


def draws(data, train, rate, early, **options):
    starts = {
        "pretrained": ImpConfig(rate=rate),
        "early": ImpConfig(rate=rate, start="random", rewind=early),
        "scratch": ImpConfig(rate=rate, start="random"),
    }
    return {
        f"{start}_{control or 'imp'}": DrawConfig(
            method=method, data=data, train=train, control=control, **options
        )
        for start, method in starts.items()
        for control in CONTROLS
    }


def study(name, pretrain, found, sparsities, target, transfer):
    return StudyConfig(
        name=name,
        seeds=experiments.SEEDS,
        baseline="supervised",
        objectives={},
        pretrainings={"supervised": pretrain},
        draws=found,
        sparsities=sparsities,
        transfers={target: transfer},
        evaluate=EvaluateConfig(batch_size=250),
    )


def full():
    transfer = experiments.transfers_to(["cifar100"], "finetune")["cifar100-finetune"]
    falling = OptimizerConfig(
        learning_rate=0.1, weight_decay=2e-4, schedule="multistep", milestones=("91ep", "136ep")
    )
    states = config_files.replace(experiments.by_steps(falling, "182ep"), batch_size=256)
    found = draws(transfer.data, states, 0.2, "9ep", exclude="stem_conv/.*")
    ladder = imp_ladder(10)
    sparsities = (ladder[3], ladder[5], ladder[7], ladder[9])
    return study(
        "perturbation", recipes.imagenet("resnet50"), found, sparsities, "cifar100", transfer
    )


def small():
    transfer = experiments.few_grey("mnist5k")
    constant = OptimizerConfig(learning_rate=0.05, schedule="constant")
    states = config_files.replace(experiments.by_steps(constant, "60it"), batch_size=40)
    found = draws(transfer.data, states, 0.5, "5it")
    pretrain = experiments.small_pretrainings()["supervised"]
    ladder = imp_ladder(4, 0.5)
    sparsities = (ladder[1], ladder[3])
    return study("perturbation_small", pretrain, found, sparsities, "mnist5k", transfer)


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
