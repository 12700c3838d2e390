"""Two small tasks, and a study of them."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from rtickets.config import (
    AttackConfig,
    DataConfig,
    EvaluateConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    SmoothingConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.study import run_study
from rtickets.training import inputs
from rtickets.training.loop import Loop
from tests.soak_study import write_task


def npz_task(folder, name, classes, count, seed):
    return DataConfig(source="npz", path=write_task(folder, name, classes, (count, 30), seed=seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def config(folder):
    short = TrainConfig(
        optimizer=OptimizerConfig(learning_rate=0.05),
        duration="3ep",
        batch_size=16,
        select="last",
        validate_every="0ep",
        checkpoint_every="0ep",
    )
    attack = AttackConfig(eps=0.03, num_steps=1)
    few = {"train_examples": 36}
    target = config_files.replace(npz_task(folder, "target", 2, 60, 2), **few)
    return StudyConfig(
        name="tiny",
        seeds=(0, 1),
        pretrain=PretrainConfig(
            data=npz_task(folder, "source", 3, 90, 1),
            model=ModelConfig(width=0.0625),
            train=TrainConfig(
                optimizer=OptimizerConfig(learning_rate=0.05), duration="3ep", batch_size=16
            ),
        ),
        objectives={
            "robust": ObjectiveConfig(name="pgd", attack=attack),
            "natural": ObjectiveConfig(),
        },
        sparsities=(0.5, 0.9),
        transfers={
            "finetune": TransferConfig(data=target, train=short),
            "linear": TransferConfig(data=target, train=short, mode="linear"),
        },
        evaluate=EvaluateConfig(
            attacks={"pgd": config_files.replace(attack, radii=(0.0, 0.1))},
            attack_examples=10,
            batch_size=64,
            honesty_examples=0,
            smoothing=SmoothingConfig(
                selection_samples=8, samples=32, alpha=0.1, examples=4, batch_size=32
            ),
        ),
    )


class Seen(NamedTuple):
    """What a run trained on, and from where."""

    folder: str
    head: Any
    examples: Any
    order: np.ndarray


@pytest.fixture(scope="module")
def trained():
    """What every training run of the study started from and took, as it did."""
    return []


@pytest.fixture(scope="module")
def study(config, folder, trained):
    orders = []
    fit, of_steps = Loop.fit, inputs.batch_indices

    def spy_order(*arguments):
        orders.append(of_steps(*arguments))
        return orders[-1]

    def spy(loop, params, *state):
        orders.clear()
        head, examples = jax.device_get((params["head"], loop.feed._data))
        outcome = fit(loop, params, *state)
        trained.append(Seen(loop.folder.name, head, examples, np.concatenate(orders)))
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "fit", spy)
        patch.setattr(inputs, "batch_indices", spy_order)
        return run_study(config, folder / "runs", parallel.local_devices(2))
