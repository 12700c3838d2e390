"""MART pretraining of a small ResNet-18 on bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_mart.py --workdir=runs

The same run as fashion_natural.py but for the objective (Wang et al. 2020), here with PGD-2.
Time: about 105 seconds on two CPU cores.
"""

from rtickets.config import (
    AttackConfig,
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    TrainConfig,
)
from rtickets.settings import config_files


def get_config():
    return config_files.editable(
        PretrainConfig(
            data=DataConfig(source="fashion_mini"),
            model=ModelConfig(arch="resnet18", width=0.125, stem="small"),
            train=TrainConfig(
                objective=ObjectiveConfig(
                    name="mart",
                    attack=AttackConfig(norm="linf", eps=8 / 255, num_steps=2),
                    beta=5.0,
                ),
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
                duration="4ep",
                batch_size=64,
            ),
        )
    )
