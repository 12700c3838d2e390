"""A study that gets SIGTERM at every kind of moment, and the same command that ends it."""

import gc
import importlib.util
import os
import shutil
import signal
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import jax
import pytest

from rtickets import cli
from rtickets.attacks.ensemble import legs
from rtickets.draw import scheduled
from rtickets.evaluation import batches, noise
from rtickets.platform import preemption
from rtickets.stages import study_progress
from rtickets.stages.ways import imp_state, lmp
from rtickets.storage.checkpoints import Checkpoints
from rtickets.tickets import provenance
from rtickets.training import dispatch
from rtickets.training.loop import Loop

HERE = Path(__file__).parent
# In the order of a study, whose tickets go by the alphabet: the call at whose end the signal comes.
MOMENTS = {
    "compiling": (dispatch, "train_step", 1),  # is traced
    "training": (Loop, "_dispatch", 4),
    "writing a checkpoint": (Checkpoints, "save", 1),  # has begun in the background
    "validating": (batches, "_compiled", 2),
    "attacking": (legs, "work", 3),
    "certifying": (noise, "_compiled", 1),
    "between two stages": (study_progress, "done", 1),
    "iterating": (imp_state, "draw_omp", 1),
    "pruning": (imp_state, "draw_omp", 2),
    "learning": (lmp, "initial_scores", 1),
    "scoring": (scheduled, "draw_omp", 2),
}


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


soak = load(HERE / "soak.py")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run a verb on the study of the soak, or on its pretraining."""
    monkeypatch.setattr(provenance, "build_model", soak.tiny_network)
    patient = partial(preemption.listening, 900)  # it would end the tests
    monkeypatch.setattr(preemption, "listening", patient)
    study = soak.write_inputs(tmp_path)
    pretrain = tmp_path / "pretrain.py"
    pretrain.write_text(study.read_text().replace(")))\n", ")).pretrain)\n"))
    files = {"study": study, "pretrain": pretrain}

    def run(verb, workdir, *options):
        where = [f"--config={files[verb]}", "--devices=1", f"--workdir={workdir}"]
        return cli.main([verb, *where, *options])

    return run


def signal_after(patch, owner, name, number):
    """Send SIGTERM at the end of a call of a function, counted from 1; returns the calls."""
    calls, original = [], getattr(owner, name)

    def wrapped(*arguments, **options):
        found = original(*arguments, **options)
        calls.append(name)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGTERM)
            while not preemption.heard():
                time.sleep(0.001)
        return found

    patch.setattr(owner, name, wrapped)
    return calls


def test_a_study_stops_with_75_at_every_moment_and_ends_as_if_it_had_not(
    command, tmp_path, monkeypatch, capsys
):
    assert command("study", tmp_path / "whole") == 0
    dispatch.compiled.cache_clear()  # for "compiling", the first of the moments
    for moment, (owner, name, number) in MOMENTS.items():
        with monkeypatch.context() as patch:
            calls = signal_after(patch, owner, name, number)
            status = command("study", tmp_path / "stopped")
        assert (moment, status) == (moment, 75)
        assert len(calls) >= number, moment
        assert capsys.readouterr().err.endswith("asked to stop; the same command goes on\n")
        assert not list((tmp_path / "stopped").glob("study-*/COMPLETE"))
    assert command("study", tmp_path / "stopped") == 0
    found = [soak.contents(tmp_path / name) for name in ("whole", "stopped")]
    assert soak.differences(*found) == []
    assert len(found[0]) > 60


def test_a_second_process_in_a_folder_gets_one_line_and_status_2(
    command, tmp_path, capsys, monkeypatch
):
    original, seen = Loop._dispatch, []

    def second(*arguments):
        if not seen:
            capsys.readouterr()
            seen.append((command("pretrain", tmp_path / "runs"), capsys.readouterr().err))
        return original(*arguments)

    monkeypatch.setattr(Loop, "_dispatch", second)
    assert command("pretrain", tmp_path / "runs") == 0
    ((status, errors),) = seen
    assert status == 2
    assert len(errors.splitlines()) == 1
    assert "is in use by process" in errors


def test_a_full_disk_gets_one_line_and_status_2_and_the_command_goes_on(
    command, tmp_path, capsys, small_disk
):
    assert command("pretrain", tmp_path / "whole") == 0
    capsys.readouterr()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 100_000))
    assert command("pretrain", small_disk) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("rtickets: the disk is full")
    assert len(errors.splitlines()) == 1
    ballast.unlink()
    assert command("pretrain", small_disk) == 0
    found = [soak.contents(folder) for folder in (small_disk, tmp_path / "whole")]
    assert soak.differences(*found) == []


@pytest.mark.parametrize("options", [[], ["--tensorboard"], ["--profile=1"]])
def test_a_disk_that_is_full_at_any_point_gets_one_line(
    command, capsys, caplog, small_disk, options
):
    """Threads of Orbax fail, too, and are to say nothing."""
    ballast, runs = small_disk / "ballast", small_disk / "runs"
    for kilobytes in (4, 16, 40, 44, 72, 100, 104) if not options else (28, 60, 112):
        ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - 1024 * kilobytes))
        assert (kilobytes, command("pretrain", runs, *options)) == (kilobytes, 2)
        gc.collect()  # what nobody asked for is reported when it is cleared away
        (line,) = capsys.readouterr().err.splitlines()[-1:]
        assert line.startswith("rtickets: the disk is full")
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []
        ballast.unlink()
        with suppress(RuntimeError):  # a profile that could not be written goes on
            jax.profiler.stop_trace()
        shutil.rmtree(runs)


def test_a_damaged_configuration_gets_one_line_and_status_2(command, tmp_path, capsys):
    assert command("pretrain", tmp_path / "runs") == 0
    (file,) = (tmp_path / "runs").glob("*/config.json")
    file.write_bytes(file.read_bytes()[:100])
    capsys.readouterr()
    assert command("pretrain", tmp_path / "runs") == 2
    errors = capsys.readouterr().err
    assert "config.json is damaged" in errors
    assert len(errors.splitlines()) == 1
