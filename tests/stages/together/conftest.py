"""A study whose heads are trained together."""

import sys

import pytest

from rtickets.config import (
    DrawConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.study import run_study
from rtickets.stages.transfer import Asked

SHORT = TrainConfig(
    optimizer=OptimizerConfig(learning_rate=0.05), duration="2it", batch_size=16, select="last",
    validate_every="0ep", checkpoint_every="0ep",
)  # fmt: skip
LINEAR = config_files.replace(
    SHORT, duration="12it", batch_size=8, statistics="frozen", validate_every="4it", select="best"
)
TRANSFERS = sys.modules[Asked.__module__]  # `stages.transfer` is the function
ONE = parallel.local_devices(1)


@pytest.fixture(scope="module")
def config(source_and_target):
    source, target = source_and_target
    heads = TransferConfig(
        data=target, mode="linear", features="cached", train=LINEAR, learning_rates=(0.1, 0.3),
        weight_decays=(0.0, 0.01),
    )  # fmt: skip
    return StudyConfig(
        name="together",
        seeds=(0, 1),
        pretrain=PretrainConfig(data=source, model=ModelConfig(width=0.03125), train=SHORT),
        objectives={"natural": ObjectiveConfig()},
        draws={"omp": DrawConfig()},
        sparsities=(0.5,),
        transfers={"heads": heads},
        evaluate=EvaluateConfig(batch_size=24),
    )


@pytest.fixture(scope="module")
def study(config, small, tmp_path_factory):
    return run_study(config, tmp_path_factory.mktemp("runs"), ONE)
