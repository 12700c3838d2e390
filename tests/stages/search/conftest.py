"""A search of a few steps on noise."""

import pytest

from rtickets import masks, models
from rtickets.config import (
    AveragingConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    SearchConfig,
    SearchingConfig,
    TrainConfig,
)
from rtickets.models.supernet import Joined, Stage, Table, supernet
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.search import search

BLOCK, KERNEL = "stage1_branch1_block1", "path3_expand_conv"


@pytest.fixture(autouse=True)
def _mine(monkeypatch):
    table = Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2)
    monkeypatch.setitem(models.ARCHITECTURES, "mine", supernet(table))


def config(**changes):
    found = SearchConfig(
        data=DataConfig(source="fashion_mini", image_size=8, train_examples=64, crop_padding=0),
        model=ModelConfig(arch="mine"),
        searching=SearchingConfig(
            search_every="2it", prune_every="3it", penalty_warmup="2it", penalty=0.3,
            least_freed=1, threshold=0.97, sparsity=0.5, sparsity_step=0.25, calibration_batches=2,
            masked="frozen",
        ),
        train=TrainConfig(
            duration="8it", batch_size=16, select="last", validate_every="4it",
            checkpoint_every="2it", averaging=AveragingConfig(decay=0.5),
            optimizer=OptimizerConfig(name="adamw", learning_rate=0.01, weight_decay=0.0),
        ),
    )  # fmt: skip
    return config_files.replace(found, **changes)


def run(path, **changes):
    return search(config(**changes), path, "mine", parallel.local_devices(1))


def whole(state):
    return masks.full(state.params)
