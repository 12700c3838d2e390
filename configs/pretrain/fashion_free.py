"""Free adversarial pretraining of a small ResNet-18 on bundled images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_free.py --workdir=runs

The same run as fashion_natural.py but for the objective (Shafahi et al. 2019). Every batch is
trained on 4 times in a row, so the run takes as many steps as the others but sees a quarter of
their batches. Time: about 55 seconds on two CPU cores.
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
                    name="free",
                    attack=AttackConfig(name="fgsm", norm="linf", eps=8 / 255),
                    replays=4,
                ),
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
                duration="4ep",
                batch_size=64,
            ),
        )
    )
