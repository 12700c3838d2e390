"""A study of a minute, to see that launching works: its numbers mean nothing.

    rtickets study --config=configs/studies/tiny.py --workdir=runs

Time: about a minute on two CPU cores. Result: accuracies near chance.
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.settings import config_files


def get_config():
    data = DataConfig(source="fashion_mini", train_examples=512)
    train = TrainConfig(duration="2ep", batch_size=64)
    attack = AttackConfig(num_steps=1)
    return config_files.editable(
        StudyConfig(
            name="tiny",
            pretrain=PretrainConfig(data=data, model=ModelConfig(width=0.03125), train=train),
            objectives={
                "natural": ObjectiveConfig(),
                "robust": ObjectiveConfig(name="pgd", attack=attack),
            },
            sparsities=(0.5, 0.9),
            transfers={
                "finetune": TransferConfig(data=data, train=train),
                "linear": TransferConfig(data=data, train=train, mode="linear"),
            },
            evaluate=EvaluateConfig(split="validation", batch_size=256),
        )
    )
