"""Two processes of two devices each against one process of four."""

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import chex
import numpy as np
import pytest

from rtickets import config_files, parallel, stages
from rtickets.config import (
    AttackConfig,
    DataConfig,
    DrawConfig,
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
from rtickets.draw import Ticket
from rtickets.runs import folder_of
from rtickets.study import run_study

# Signs of L-infinity steps turn rounding into whole steps; L2 steps are smooth.
ATTACK = AttackConfig(norm="l2", eps=0.3, num_steps=2)


def npz_task(folder, name, classes):
    generator = np.random.default_rng(classes)
    arrays = {}
    for part, size in (("train", 54), ("test", 22)):
        labels = np.arange(size) % classes
        noise = generator.integers(0, 100, (size, 8, 8))
        arrays[f"x_{part}"] = (noise + (150 // classes) * labels[:, None, None]).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    np.savez(folder / f"{name}.npz", **arrays)
    return DataConfig(source="npz", path=str(folder / f"{name}.npz"))


def train_config(**changes):
    optimizer = OptimizerConfig(learning_rate=0.02, schedule="constant")
    fields = {"optimizer": optimizer, "duration": "4it", "batch_size": 16, "select": "last"}
    return TrainConfig(**{**fields, **changes})


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
            model=ModelConfig(width=0.03125),
            train=train_config(),
        ),
        objectives={
            "natural": ObjectiveConfig(),
            "robust": ObjectiveConfig(name="pgd", attack=ATTACK),
        },
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
        "from rtickets import config_files\n"
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
            [sys.executable, "-m", "rtickets", *map(str, words), *together,
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


@pytest.fixture(scope="module")
def studies(folder, config):
    """The study by two processes, by one, and what the two printed."""
    file = config_file(folder, "study", config)
    printed = together("study", f"--config={file}", f"--workdir={folder / 'two'}")
    run_study(config, folder / "one", parallel.local_devices(4))
    return folder / "two", folder / "one", printed


def ticket_of(root, pattern):
    (run,) = root.glob(pattern)
    return Ticket.load(run / "ticket")


@pytest.mark.parametrize("objective", ["natural", "robust"])
def test_two_processes_pretrain_as_one(studies, objective):
    two, one = (ticket_of(root, f"pretrain-{objective}-*") for root in studies[:2])
    chex.assert_trees_all_close(two.params, one.params, atol=1e-5, rtol=0)
    chex.assert_trees_all_close(two.batch_stats, one.batch_stats, atol=1e-5, rtol=0)
    fresh = ticket_of(studies[1], "pretrain-natural-*" if objective == "robust" else "draw-*rob*")
    assert not np.allclose(two.params["stem_conv"]["kernel"], fresh.params["stem_conv"]["kernel"])


def test_a_whole_study_measures_the_same_on_two_processes(studies):
    results = []
    for root in studies[:2]:
        (study,) = root.glob("study-*")
        results.append(json.loads((study / "result.json").read_text()))
    assert_alike(*results)


def assert_alike(two, one, where=""):
    """Compare results; an example may fall on the other side of a decision by a rounding error."""
    assert type(two) is type(one), where
    if isinstance(one, dict):
        assert two.keys() == one.keys(), where
        for name in one.keys() - {"runs", "findings"}:
            assert_alike(two[name], one[name], f"{where}.{name}")
    elif isinstance(one, list):
        assert len(two) == len(one), where
        for index, pair in enumerate(zip(two, one, strict=True)):
            assert_alike(*pair, f"{where}.{index}")
    elif isinstance(one, float):
        assert two == pytest.approx(one, abs=1e-5), where
    else:
        assert two == one, where


def test_the_primary_alone_writes_and_reports(studies):
    two, one, ((_, reported, said), (_, quiet, silent)) = studies
    files = [
        {str(path.relative_to(root)) for path in root.rglob("*") if ".cache" not in str(path)}
        for root in (two, one)
    ]
    (study,) = two.glob("study-*")
    report = {str(path.relative_to(two)) for path in study.iterdir()}
    assert files[0] - report == files[1] - report
    assert "report: " in reported
    assert "report: " not in quiet
    assert "cell 1 of" in said
    assert "cell 1 of" not in silent


def test_a_second_command_finds_everything_done(studies, folder, config):
    two = studies[0]
    before = {path: path.stat().st_mtime_ns for path in two.glob("*/*")}
    run_study(config, two, parallel.local_devices(4))
    assert {path: path.stat().st_mtime_ns for path in two.glob("*/*")} == before


def test_a_process_that_dies_ends_the_other_and_one_process_goes_on(folder, config):
    pretrain = config_files.replace(
        config.pretrain, train__duration="60it", train__checkpoint_every="3it"
    )
    file = config_file(folder, "long", pretrain)
    workdir = folder / "killed"
    running = spawn("pretrain", f"--config={file}", f"--workdir={workdir}")
    checkpoints = folder_of(workdir, "pretrain", "natural", pretrain).path / "checkpoints"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not list(checkpoints.glob("[0-9]*")):
        assert all(process.poll() is None for process in running), finish(running)
        time.sleep(0.05)
    running[1].send_signal(signal.SIGKILL)
    start = time.monotonic()
    (status, _, errors), _ = finish(running)
    assert time.monotonic() - start < 60
    assert status != 0, errors
    devices = parallel.local_devices(4)
    resumed, whole = (
        Ticket.load(stages.pretrain(pretrain, root, "natural", devices).source.ticket)
        for root in (workdir, folder / "whole")
    )
    chex.assert_trees_all_close(resumed.params, whole.params, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (((), ("--config.train.batch_size=32",)),
         "train.batch_size=16 in process 0 and 32 in 1"),
        (((), ("--parallel=shard_map",)), "parallel='pmap' in process 0 and 'shard_map' in 1"),
        (((), ("--cpu-devices=1",)), "2 in process 0, 1 in process 1"),
        ((("--config.train.batch_size=18",),) * 2, "batch_size=18 does not divide over 4 devices"),
        ((("--devices=3",),) * 2, "3 devices were asked for, expected a multiple of the 2 proc"),
    ],
    ids=["configuration", "command", "devices", "batch", "odd"],
)  # fmt: skip
def test_what_would_hang_is_one_line_in_every_process(folder, config, extra, message):
    file = config_file(folder, "pretrain", config.pretrain)
    running = spawn("pretrain", f"--config={file}", f"--workdir={folder / 'bad'}", extra=extra)
    for status, _, errors in finish(running):
        (line,) = [line for line in errors.splitlines() if line.startswith("rtickets: ")]
        assert status == 2, errors
        assert message in line
    assert not list((folder / "bad").glob("*/COMPLETE"))
