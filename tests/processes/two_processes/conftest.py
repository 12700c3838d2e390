"""Commands on two processes of this machine, and on one."""

import runpy
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    SmoothingConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.settings import config_files
from rtickets.tickets import provenance
from tests.soak_study import write_task

# Signs of L-infinity steps turn rounding into whole steps; L2 steps are smooth.
COMMAND = Path(__file__).parents[1] / "small_command.py"
ATTACK = AttackConfig(norm="l2", eps=0.3, num_steps=1)


def npz_task(folder, name, classes):
    return DataConfig(source="npz", path=write_task(folder, name, classes, (54, 22), noise=60))


def train_config(**changes):
    optimizer = OptimizerConfig(learning_rate=0.02, schedule="constant")
    fields = {"optimizer": optimizer, "duration": "6it", "batch_size": 16, "select": "last"}
    return TrainConfig(**{**fields, **changes})


@pytest.fixture(scope="module", autouse=True)
def _small():
    """The network of `small_command.py` in this process too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "build_model", runpy.run_path(str(COMMAND))["build_model"])
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def config(folder):
    return StudyConfig(
        name="two",
        seeds=(0,),
        pretrain=PretrainConfig(
            data=npz_task(folder, "source", 3),
            train=train_config(steps_per_dispatch=3),
        ),
        baseline="robust",
        objectives={"robust": ObjectiveConfig(name="pgd", attack=ATTACK)},
        draws={"omp": DrawConfig()},
        sparsities=(0.5,),
        transfers={
            "finetune": TransferConfig(data=npz_task(folder, "target", 2), train=train_config())
        },
        evaluate=EvaluateConfig(
            attacks={"pgd": ATTACK},
            attack_examples=11,
            batch_size=8,
            honesty_examples=0,
            smoothing=SmoothingConfig(
                selection_samples=8, samples=16, alpha=0.1, examples=5, batch_size=16
            ),
        ),
    )


def config_file(folder, name, config):
    """Write a configuration file that makes the configuration from its dictionary."""
    path = folder / f"{name}.py"
    kind = type(config).__name__
    path.write_text(
        "from rtickets.settings import config_files\n"
        f"from rtickets.config import {kind}\n"
        f"VALUES = {config_files.to_dict(config)!r}\n"
        "def get_config():\n"
        f"    return config_files.editable(config_files.parse({kind}, VALUES))\n"
    )
    return path


def free_port():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def spawn(*words, extra=((), ())):
    """Start the command in two processes of two devices each."""
    together = (f"--coordinator=localhost:{free_port()}", "--num-processes=2", "--cpu-devices=2")
    return [
        subprocess.Popen(
            [sys.executable, str(COMMAND), *map(str, words), *together,
             f"--process-id={process}", *own],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for process, own in enumerate(extra)
    ]  # fmt: skip


def finish(running, seconds=300):
    """Return (status, output, errors) of every process."""
    with ThreadPoolExecutor() as pool:
        texts = list(pool.map(lambda process: process.communicate(timeout=seconds), running))
    return [(process.returncode, *text) for process, text in zip(running, texts, strict=True)]


def together(*words, **options):
    done = finish(spawn(*words, **options))
    assert [status for status, _, _ in done] == [0, 0], done
    return done
