"""Two processes of two devices each against one process of four."""

import json
import runpy
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import masks, stages
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
from rtickets.draw import Ticket
from rtickets.platform import parallel
from rtickets.runs.folders import folder_of
from rtickets.settings import config_files
from rtickets.stages.study import run_study
from rtickets.storage.files import read_metrics
from rtickets.tasks import Moco, SimClr
from rtickets.tickets import provenance

# Signs of L-infinity steps turn rounding into whole steps; L2 steps are smooth.
COMMAND = Path(__file__).parent / "small_command.py"
ATTACK = AttackConfig(norm="l2", eps=0.3, num_steps=1)


def npz_task(folder, name, classes):
    generator = np.random.default_rng(classes)
    arrays = {}
    for part, size in (("train", 54), ("test", 22)):
        labels = np.arange(size) % classes
        noise = generator.integers(0, 60, (size, 8, 8))
        arrays[f"x_{part}"] = (noise + (150 // classes) * labels[:, None, None]).astype(np.uint8)
        arrays[f"y_{part}"] = labels
    np.savez(folder / f"{name}.npz", **arrays)
    return DataConfig(source="npz", path=str(folder / f"{name}.npz"))


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


@pytest.mark.parametrize("stage", ["pretrain", "transfer-finetune-omp"])
def test_two_processes_train_as_one(studies, stage):
    """Adversarially in pretraining, naturally downstream."""
    two, one = (ticket_of(root, f"{stage}*") for root in studies[:2])
    assert_trained_alike(two, one)
    chex.assert_trees_all_equal(two.mask, one.mask)


def test_pruned_weights_are_zero_after_training_on_two_processes(studies):
    ticket = ticket_of(studies[0], "transfer-finetune-omp*")
    removed = jax.tree.map(lambda keep, leaf: np.where(keep, 0, leaf), ticket.mask, ticket.params)
    assert masks.sparsity(ticket.mask) == pytest.approx(0.5, abs=1e-3)
    for leaf in jax.tree.leaves(removed):
        np.testing.assert_array_equal(leaf, 0)


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
    files = [{str(path.relative_to(root)) for path in root.rglob("*")} for root in (two, one)]
    (study,) = two.glob("study-*")
    report = {str(path.relative_to(two)) for path in study.iterdir()}
    # Several processes train no tickets side by side, so they measure and choose nothing.
    report.add(str(study.relative_to(two) / "together.json"))
    assert files[0] - report == files[1] - report
    assert "report: " in reported
    assert "report: " not in quiet
    assert "1 of 3: " in said
    assert "1 of 3: " not in silent


def test_a_second_command_finds_everything_done(studies, folder, config):
    two = studies[0]
    before = {path: path.stat().st_mtime_ns for path in two.glob("*/*")}
    run_study(config, two, parallel.local_devices(4))
    assert {path: path.stat().st_mtime_ns for path in two.glob("*/*")} == before


def train_on_both(folder, name, pretrain, *words):
    """Return the tickets that two processes and that one with as many devices make."""
    file = config_file(folder, name, pretrain)
    together("pretrain", f"--config={file}", f"--workdir={folder / name}", *words)
    stages.pretrain(pretrain, folder / f"{name}_alone", "natural", parallel.local_devices(4))
    return ticket_of(folder / name, "pretrain-*"), ticket_of(folder / f"{name}_alone", "pretrain-*")


def assert_trained_alike(two, one):
    chex.assert_trees_all_close(two.params, one.params, atol=1e-5, rtol=0)
    chex.assert_trees_all_close(two.batch_stats, one.batch_stats, atol=1e-5, rtol=0)


def test_shard_map_on_two_processes_trains_as_pmap_on_one(folder, config):
    assert_trained_alike(*train_on_both(folder, "mapped", config.pretrain, "--parallel=shard_map"))


def test_two_processes_train_on_streamed_images_as_one(folder, config):
    generator = np.random.default_rng(0)
    for number in range(60):
        path = folder / "images" / ("dark", "light", "white")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 80, (10, 9)) + 80 * (number % 3)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    data = DataConfig(
        source="folder", path=str(folder / "images"), stream=True, channels=1, image_size=8,
        random_resized_crop=True, flip=True, workers=2,
    )  # fmt: skip
    pretrain = config_files.replace(config.pretrain, data=data, train__accumulate=2)
    two, one = train_on_both(folder, "streamed", pretrain)
    assert_trained_alike(two, one)
    lines = [
        read_metrics(next((folder / name).glob("pretrain-*/metrics.jsonl")))
        for name in ("streamed", "streamed_alone")
    ]
    assert_alike(*lines)


@pytest.mark.parametrize("kind", [SimClr, Moco])
def test_two_processes_compare_views_as_one(folder, config, kind):
    """Natural, and with keys under attack."""
    more = {"queue": 40, "momentum": 0.5} if kind is Moco else {}
    task = kind(projection=8, hidden=32, neighbours=5, **more)
    pretrain = config_files.replace(config.pretrain, data__task=task, train__duration="3it")
    if kind is Moco:
        objective = ObjectiveConfig(name="pgd", attack=ATTACK)
        pretrain = config_files.replace(pretrain, train__objective=objective)
    two, one = train_on_both(folder, f"views-{task.name}", pretrain)
    assert_trained_alike(two, one)
    assert two.params["head"]["dense2"]["kernel"].shape == (32, 8)


def test_a_process_that_dies_ends_the_other_and_one_process_goes_on(folder, config):
    pretrain = config_files.replace(
        config.pretrain, train__duration="30it", train__checkpoint_every="3it"
    )
    file = config_file(folder, "long", pretrain)
    workdir = folder / "killed"
    running = spawn("pretrain", f"--config={file}", f"--workdir={workdir}", "--heartbeat=10")
    checkpoints = folder_of(workdir, "pretrain", "natural", pretrain).path / "checkpoints"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not list(checkpoints.glob("[0-9]*")):
        assert all(process.poll() is None for process in running), finish(running)
        time.sleep(0.05)
    running[1].send_signal(signal.SIGKILL)
    start = time.monotonic()
    (status, _, errors), _ = finish(running)
    assert time.monotonic() - start < 45
    assert status in (75, -signal.SIGABRT), errors
    devices = parallel.local_devices(4)
    resumed, whole = (
        Ticket.load(stages.pretrain(pretrain, root, "natural", devices).source.ticket)
        for root in (workdir, folder / "whole")
    )
    chex.assert_trees_all_close(resumed.params, whole.params, atol=1e-4, rtol=0)


@pytest.mark.parametrize("asked", [0, 1])
def test_all_stop_at_the_same_step_whichever_is_asked_to(folder, config, asked):
    pretrain = config_files.replace(
        config.pretrain, train__duration=f"{80 + asked}it", train__checkpoint_every="0ep"
    )
    file = config_file(folder, f"asked{asked}", pretrain)
    workdir = folder / f"asked{asked}"
    running = spawn("pretrain", f"--config={file}", f"--workdir={workdir}")
    run = folder_of(workdir, "pretrain", "natural", pretrain).path
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not any(
        path.stat().st_size for path in run.glob("metrics.jsonl")
    ):
        assert all(process.poll() is None for process in running), finish(running)
        time.sleep(0.05)
    running[asked].send_signal(signal.SIGTERM)
    for status, _, errors in finish(running):
        assert status == 75, errors
        assert "rtickets: asked to stop; the same command goes on" in errors
    assert not (run / ".lock").exists()
    (step,) = (int(path.name) for path in (run / "checkpoints").glob("[0-9]*"))
    assert 0 < step < 80
    devices = parallel.local_devices(4)
    resumed, whole = (
        Ticket.load(stages.pretrain(pretrain, root, "natural", devices).source.ticket)
        for root in (workdir, folder / f"unasked{asked}")
    )
    chex.assert_trees_all_close(resumed.params, whole.params, atol=1e-4, rtol=0)


def test_a_folder_that_cannot_be_written_is_one_line_of_every_process(folder, config):
    pretrain = config_files.replace(config.pretrain, train__checkpoint_every="3it")
    workdir = folder / "unwritable"
    run = folder_of(workdir, "pretrain", "natural", pretrain).path
    run.mkdir(parents=True)
    (run / "checkpoints").write_text("in the way")
    file = config_file(folder, "unwritable", pretrain)
    for status, _, errors in finish(spawn("pretrain", f"--config={file}", f"--workdir={workdir}")):
        (line,) = [line for line in errors.splitlines() if line.startswith("rtickets: ")]
        assert status == 2, errors
        assert "File exists" in line
        assert "Traceback" not in errors


def test_processes_with_different_configurations_say_so_instead_of_hanging(folder, config):
    file = config_file(folder, "pretrain", config.pretrain)
    words = ("pretrain", f"--config={file}", f"--workdir={folder / 'bad'}")
    running = spawn(*words, extra=((), ("--config.train.batch_size=32",)))
    for status, _, errors in finish(running):
        (line,) = [line for line in errors.splitlines() if line.startswith("rtickets: ")]
        assert status == 2, errors
        assert "train.batch_size=16 in process 0 and 32 in 1" in line
    assert not (folder / "bad").exists() or not list((folder / "bad").glob("pretrain-*"))
