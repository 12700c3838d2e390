"""Fashion-MNIST to digits and animals: robust against natural tickets at full width.

    rtickets study --config=configs/studies/fashion_mnist.py --workdir=runs
    rtickets study --config=configs/studies/fashion_mnist.py:small --workdir=runs

Needs the IDX files of Debian's package dataset-fashion-mnist (or --config.pretrain.data.path=DIR),
`pip install 'rtickets[demo]'` and `pip install --no-deps animal-mnist==0.4`. The small version
needs `rtickets[demo]` alone.

Time: full, about half an hour on one H100 (estimated); small, about 9 minutes on two CPU
cores. Results: docs/results/fashion_mnist.md and docs/results/fashion_mnist_small.md.
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.settings import config_files

# Chosen on validation images at full width, see docs/results/fashion_mnist.md.
FINETUNE_RATE, LINEAR_RATE = 0.05, 0.2


def robust(norm, eps):
    return ObjectiveConfig(name="pgd", attack=AttackConfig(norm=norm, eps=eps, num_steps=7))


def downstream(source, mode, examples, duration, batch_size=64, finetune_rate=FINETUNE_RATE):
    rate = finetune_rate if mode == "finetune" else LINEAR_RATE
    return TransferConfig(
        data=DataConfig(source=source, train_examples=examples),
        mode=mode,
        train=TrainConfig(
            optimizer=OptimizerConfig(learning_rate=rate),
            duration=duration,
            batch_size=batch_size,
            select="last",
            validate_every="0ep",
            checkpoint_every="0ep",
        ),
    )


def full():
    transfers = {
        f"{source}-few-{mode}": downstream(source, mode, 500, "20ep")
        for source in ("mnist5k", "digits", "animals")
        for mode in ("finetune", "linear")
    }
    transfers |= {
        f"{source}-all-{mode}": downstream(source, mode, None, duration, batch_size=128)
        for source, duration in (("mnist5k", "8ep"), ("digits", "20ep"), ("animals", "4ep"))
        for mode in ("finetune", "linear")
    }
    return StudyConfig(
        name="fashion_mnist",
        seeds=(0, 1, 2),
        pretrain=PretrainConfig(
            data=DataConfig(
                source="fashion_mnist", path="/usr/share/datasets/fashion-mnist", image_size=32
            ),
            model=ModelConfig(arch="resnet18", precision="bfloat16"),
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="1ep"),
                duration="5ep",
                batch_size=512,
            ),
        ),
        objectives={
            "natural": ObjectiveConfig(),
            "linf_4": robust("linf", 4 / 255),
            "linf_8": robust("linf", 8 / 255),
            "l2_half": robust("l2", 0.5),
            "l2_one": robust("l2", 1.0),
        },
        sparsities=(0.1, 0.5, 0.9, 0.95, 0.98, 0.99),
        transfers=transfers,
        evaluate=EvaluateConfig(
            attacks={
                "pgd10": AttackConfig(norm="linf", eps=4 / 255, num_steps=10),
            },
            attack_examples=250,
            batch_size=256,
        ),
    )


def small():
    study = full()
    mini = PretrainConfig(
        data=DataConfig(source="fashion_mini"),
        model=ModelConfig(arch="resnet18", width=0.125),
        train=TrainConfig(
            optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
            duration="4ep",
            batch_size=64,
        ),
    )
    few = {
        f"{source}-few-{mode}": downstream(source, mode, 192, "20ep", finetune_rate=0.02)
        for source in ("mnist5k", "digits")
        for mode in ("finetune", "linear")
    }
    return config_files.replace(
        study,
        name="fashion_mnist_small",
        seeds=(0,),
        pretrain=mini,
        objectives={
            "natural": ObjectiveConfig(),
            **{
                label: config_files.replace(study.objectives[label], attack__num_steps=3)
                for label in ("linf_4", "linf_8", "l2_half")
            },
        },
        sparsities=(0.5, 0.9, 0.95, 0.98),
        transfers=few,
        evaluate=config_files.replace(study.evaluate, attack_examples=100, batch_size=100),
    )


def get_config(size="full"):
    return config_files.editable(config_files.pick({"full": full, "small": small}, size)())
