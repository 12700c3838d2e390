"""Fast adversarial pretraining of a small ResNet-18 on bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_fast.py --workdir=runs

The same run as fashion_natural.py but for the objective, FGSM from a random start (Wong et al.
2020). It stops when validation accuracy under PGD-10 falls by more than 20 points from one epoch to
the next, and returns the weights from before. Time: about 55 seconds on two CPU cores.
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
                    name="fast", attack=AttackConfig(name="fgsm_rs", norm="linf", eps=8 / 255)
                ),
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
                duration="4ep",
                batch_size=64,
            ),
        )
    )
