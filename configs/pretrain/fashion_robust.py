"""PGD adversarial pretraining of a small ResNet-18 on the bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_robust.py --workdir=runs
    rtickets pretrain --config=configs/pretrain/fashion_robust.py --workdir=runs \
        --config.train.objective.attack.norm=l2 --config.train.objective.attack.eps=0.5

The same run as fashion_natural.py but for the objective. Time: about 70 seconds on two CPU cores.
Result: about 77% on validation images under the training attack, PGD-2 in L-infinity 8/255.
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
                    name="pgd", attack=AttackConfig(norm="linf", eps=8 / 255, num_steps=2)
                ),
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
                duration="4ep",
                batch_size=64,
            ),
        )
    )
