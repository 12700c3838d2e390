"""The whole story on embedded real data, small enough for a laptop."""

from typing import Literal

from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.data.settings import DataConfig
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.evaluation.settings import EvaluateConfig
from rtickets.models.settings import ModelConfig
from rtickets.settings import config_files
from rtickets.stages.settings import PretrainConfig, TransferConfig
from rtickets.stages.study_settings import StudyConfig
from rtickets.training.objectives import Adversarial, ObjectiveConfig
from rtickets.training.optimizers import OptimizerConfig
from rtickets.training.settings import TrainConfig


def demo_study() -> StudyConfig:
    """Return the study that `rtickets demo` runs: Fashion-MNIST to a few digits of MNIST.

    Learning rates and durations were chosen on validation images. Natural and robust networks are
    trained alike but for the attack.
    """
    return StudyConfig(
        name="demo",
        seeds=(0, 1),
        pretrain=PretrainConfig(
            data=DataConfig(source="fashion_mini"),
            model=ModelConfig(arch="resnet18", width=0.125, stem="small"),
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.1, warmup="50it"),
                duration="3ep",
                batch_size=64,
            ),
        ),
        objectives={
            "natural": ObjectiveConfig(),
            "robust": Adversarial(attack=PgdSettings(norm="linf", eps=8 / 255, num_steps=2)),
        },
        sparsities=(0.8, 0.9, 0.95, 0.98),
        transfers={"finetune": _transfer("finetune", 0.4), "linear": _linear()},
        evaluate=EvaluateConfig(
            attacks={"pgd": PgdSettings(norm="linf", eps=8 / 255, num_steps=5)},
            attack_examples=100,
            honesty_examples=16,
            batch_size=100,
        ),
    )


def _linear() -> TransferConfig:
    """Return linear evaluation under statistics of the digits, which computes features once."""
    return config_files.replace(
        _transfer("linear", 1.0),
        data__crop_padding=0,
        features="cached",
        recalibrate=TransferRecalibrateConfig(on="target", batches=5, batch_size=40),
        train__statistics="frozen",
    )


def _transfer(mode: Literal["finetune", "linear"], learning_rate: float) -> TransferConfig:
    return TransferConfig(
        data=DataConfig(source="mnist5k", train_examples=200),
        mode=mode,
        train=TrainConfig(
            optimizer=OptimizerConfig(learning_rate=learning_rate),
            duration="20ep",
            batch_size=40,
            select="last",
            validate_every="0ep",
            checkpoint_every="0ep",
        ),
    )
