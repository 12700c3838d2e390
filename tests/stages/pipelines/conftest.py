"""A comparison of every kind of pipeline, on two tasks of 8x8 images and a tiny network."""

from typing import Any, NamedTuple

import pytest

from rtickets import models
from rtickets.config import (
    AveragingConfig,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    OptimizerConfig,
    PipelineConfig,
    PipelineStudyConfig,
    SearchingConfig,
    TrainConfig,
)
from rtickets.models.supernet import Joined, Stage, Table, supernet
from rtickets.platform import parallel
from rtickets.runs.folders import RunFolder
from rtickets.settings import config_files
from rtickets.stages.pipelines.networks import Place
from rtickets.stages.pipelines.study import run_pipelines
from tests.soak_study import write_task

TABLE = Table(4, (Stage((4,), (1,)),), Joined(4), (3,), 2)
PIPELINES = {
    "two_in_one": PipelineConfig(),
    "dense": PipelineConfig(search="dense"),
    "searched": PipelineConfig(search="searched"),
    "magnitude": PipelineConfig(search="searched", criterion="magnitude"),
    "snip": PipelineConfig(search="searched", criterion="snip"),
    "magnitude_retrained": PipelineConfig(search="searched", criterion="magnitude", then="retrain"),
    "pruned": PipelineConfig(search="pruned"),
    "explicit": PipelineConfig(reactivation="explicit"),
    "none": PipelineConfig(reactivation="none"),
    "at_once": PipelineConfig(at_once=True),
    "rewound": PipelineConfig(weights="initial", then="train"),
    "rewound_early": PipelineConfig(weights="early", then="retrain"),
    "random_mask": PipelineConfig(survivors="random", weights="initial", then="train"),
    "moved": PipelineConfig(then="transfer"),
    "moved_random": PipelineConfig(survivors="random", weights="dense", then="transfer"),
    "moved_frozen": PipelineConfig(then="transfer_frozen"),
}


class Study(NamedTuple):
    """A study that was run."""

    place: Place
    folder: RunFolder
    cells: dict[tuple[str, str], dict[str, Any]]  # by pipeline and task


def training(duration):
    return TrainConfig(
        duration=duration, batch_size=16, select="last", validate_every="0ep",
        checkpoint_every="0ep", averaging=AveragingConfig(decay=0.5),
        optimizer=OptimizerConfig(name="adamw", learning_rate=0.01, weight_decay=0.0),
    )  # fmt: skip


def npz_task(folder, name, classes, side=8):
    file = write_task(folder, name, classes, (60, 60), side=side)
    return DataConfig(source="npz", path=file)


def make_config(folder, **changes):
    tasks = {name: npz_task(folder, name, n) for name, n in (("three", 3), ("two", 2))}
    found = PipelineStudyConfig(
        name="mine", tasks=tasks, model=ModelConfig(arch="mine"),
        searching=SearchingConfig(
            search_every="2it", prune_every="3it", penalty_warmup="2it", penalty=1e-3,
            least_freed=1, threshold=0.99, sparsity_step=0.25, calibration_batches=2,
            masked="frozen", early="1it",
        ),
        train=training("8it"), retrain=training("2it"), transfer=training("2it"), examples=16,
        sparsities=(0.5,), pipelines=PIPELINES, evaluate=EvaluateConfig(batch_size=30),
        compared={"two_in_one": ("magnitude", "dense"), "moved": ("moved_random",)},
    )  # fmt: skip
    return config_files.replace(found, **changes)


@pytest.fixture(scope="session")
def mine():
    """Put the network of two blocks among the architectures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.ARCHITECTURES, "mine", supernet(TABLE))
        yield


@pytest.fixture(scope="session")
def configure(mine):
    """Return what makes the configuration of a study in a folder, with changes."""
    return make_config


@pytest.fixture(scope="session")
def study(tmp_path_factory, mine):
    folder = tmp_path_factory.mktemp("pipelines")
    config, devices = make_config(folder), parallel.local_devices(1)
    found = run_pipelines(config, folder / "runs", devices)
    cells = {(cell["pipeline"], cell["task"]): cell for cell in found.result()["cells"]}
    return Study(Place(config, folder / "runs", devices), found, cells)
