"""Pretraining of a small ResNet-18 on bundled images of Fashion-MNIST with Gaussian noise.

    rtickets pretrain --config=configs/pretrain/fashion_gaussian.py --workdir=runs

The same run as fashion_natural.py but for the objective, for configs/evaluate/certified.py.
Time: about that of natural pretraining.
"""

from rtickets.config import (
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
                objective=ObjectiveConfig(name="gaussian", sigma=0.25),
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
                duration="4ep",
                batch_size=64,
            ),
        )
    )
