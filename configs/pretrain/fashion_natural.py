"""Natural pretraining of a small ResNet-18 on the bundled 12,000 images of Fashion-MNIST.

    rtickets pretrain --config=configs/pretrain/fashion_natural.py --workdir=runs

Time: about 35 seconds on two CPU cores. Result: about 86% on validation images.
"""

from rtickets.config import DataConfig, ModelConfig, OptimizerConfig, PretrainConfig, TrainConfig
from rtickets.settings import config_files


def get_config():
    return config_files.editable(
        PretrainConfig(
            data=DataConfig(source="fashion_mini"),
            model=ModelConfig(arch="resnet18", width=0.125, stem="small"),
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
                duration="4ep",
                batch_size=64,
            ),
        )
    )
