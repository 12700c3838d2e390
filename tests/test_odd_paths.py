"""A working directory may have any name: nothing is lost, and nothing is taken for a pattern."""

import importlib.util
import os
import signal
import time
from pathlib import Path

import pytest

from rtickets import cli
from rtickets.platform import preemption
from rtickets.tickets import provenance
from rtickets.training.loop import Loop

LATIN = b"l\xe9".decode("utf-8", "surrogateescape")
NAMES = ["a[1]", "[!a]", "a\\b", "a\nb", "a*b?", "-dash", "gs:", "übung 日本", LATIN]

spec = importlib.util.spec_from_file_location("soak", Path(__file__).parent / "soak.py")
soak = importlib.util.module_from_spec(spec)
spec.loader.exec_module(soak)


@pytest.fixture(scope="module")
def pretrain(tmp_path_factory):
    """Run a small pretraining in a working directory."""
    folder = tmp_path_factory.mktemp("inputs")
    study = soak.write_inputs(folder)
    file = folder / "pretrain.py"
    file.write_text(study.read_text().replace(")))\n", ")).pretrain)\n"))

    def run(workdir, *words):
        where = [f"--config={file}", "--devices=1", f"--workdir={workdir}", *words]
        return cli.main(["pretrain", *where])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "build_model", soak.tiny_network)
        yield run


@pytest.fixture(scope="module")
def whole(pretrain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    assert pretrain(folder) == 0
    return soak.contents(folder)


def stop_after(patch, dispatches):
    """Ask this process to stop after so many dispatches; returns the steps that were dispatched."""
    original, steps = Loop._dispatch, []

    def dispatch(self, now, step, *rest):
        steps.append(step)
        if len(steps) == dispatches:
            os.kill(os.getpid(), signal.SIGTERM)
            while not preemption.heard():
                time.sleep(0.001)
        return original(self, now, step, *rest)

    patch.setattr(Loop, "_dispatch", dispatch)
    return steps


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_stops_in_an_oddly_named_folder_goes_on_where_it_was(
    pretrain, whole, tmp_path, monkeypatch, capsys, name
):
    workdir = tmp_path / name
    with monkeypatch.context() as patch:
        stop_after(patch, 6)
        assert pretrain(workdir) == 75
    with monkeypatch.context() as patch:
        steps = stop_after(patch, None)
        assert pretrain(workdir) == 0
    assert steps[0] == 6  # it went on, and did not begin anew
    assert "damaged" not in capsys.readouterr().err
    assert soak.differences(whole, soak.contents(workdir)) == []


@pytest.mark.parametrize("name", ["a/b", "../out", "x" * 300, "a\nb", "é" * 150, "\udce9"])
def test_the_name_of_a_stage_stays_within_one_folder_of_the_working_directory(
    pretrain, whole, tmp_path, name
):
    assert pretrain(tmp_path / "runs", f"--name={name}") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    (folder,) = (tmp_path / "runs").glob("pretrain-*")
    assert (folder / "COMPLETE").is_file()
    assert pretrain(tmp_path / "runs", "--name=other") == 0
    assert list((tmp_path / "runs").glob("pretrain-*")) == [folder]
