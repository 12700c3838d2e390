"""Two processes of which one dies, is asked to stop, cannot write, or was asked something else."""

import signal
import time

import chex
import pytest

from rtickets import stages
from rtickets.draw import Ticket
from rtickets.platform import parallel
from rtickets.runs.folders import folder_of
from rtickets.settings import config_files
from tests.processes.two_processes.conftest import config_file, finish, spawn


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
