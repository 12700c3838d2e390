import argparse

import pytest

from rtickets import cli
from rtickets.cli import stages
from rtickets.config import DrawConfig
from rtickets.runs.folders import folder_of
from rtickets.stages.demo import demo_study


def say_of(name, workdir, capsys):
    """Return the run's folder, and what a verb says when it was called with a --name."""
    folder = folder_of(workdir, "draw", name, DrawConfig())
    options = argparse.Namespace(name=name, retry_failed=False, accept_changes=False)
    stages.attempted(lambda: folder, options)
    return folder.path, capsys.readouterr().err


@pytest.mark.parametrize("name", ["mine", "two-words", "a/b c", "x" * 300])
def test_a_name_that_a_folder_cannot_have_as_it_is_was_not_given_before(name, tmp_path, capsys):
    path, said = say_of(name, tmp_path, capsys)
    assert said == ""
    path.mkdir()
    assert say_of(name, tmp_path, capsys) == (path, "")


@pytest.mark.parametrize("name", ["other", "a-mine", "mine-b", "in"])
def test_a_run_of_another_name_says_how_it_was_named(name, tmp_path, capsys):
    path, _ = say_of("a-mine-b", tmp_path, capsys)
    path.mkdir()
    found, said = say_of(name, tmp_path, capsys)
    assert found == path
    assert path.name in said


def report(workdir, capsys, *words):
    assert cli.main(["report", f"--workdir={workdir}", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("words", "command"), [((), "rtickets demo"), (("--config=studies/demo",), "rtickets study")]
)
def test_a_report_of_what_was_never_run_says_what_to_do(words, command, tmp_path, capsys):
    (tmp_path / "study-mine-0123456789").mkdir()
    said = report(tmp_path, capsys, *words)
    assert "is not complete" not in said
    assert " ".join([command, *words, f"--workdir={tmp_path}"]) in said
    assert "study-mine" not in said
    (tmp_path / "study-mine-0123456789" / "COMPLETE").touch()
    assert "study-mine-0123456789" in report(tmp_path, capsys, *words)


def test_a_report_of_what_is_not_done_says_how_it_goes_on(tmp_path, capsys):
    folder_of(tmp_path, "study", "demo", demo_study()).path.mkdir()
    said = report(tmp_path, capsys)
    assert "is not complete" in said
    assert f"rtickets demo --workdir={tmp_path}" in said
    assert f"rtickets status {tmp_path}" in said


def test_a_report_of_a_run_that_has_none_says_which_have(tmp_path, capsys):
    assert cli.main(["report", str(tmp_path / "draw-omp0.9-0123456789")]) == 2
    assert "studies and evaluations have" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("report",), ("ticket", "show"), ("ticket", "verify")])
def test_a_folder_that_does_not_exist_is_named_as_such(words, tmp_path, capsys):
    assert cli.main([*words, str(tmp_path / "nothing")]) == 2
    assert f"{tmp_path / 'nothing'} does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("pretrain", "--config.data.source=npz", "--config.data.path=nothing.npz"),
        ("study", "--config=studies/demo", "--config.pretrain.data.train_examples=4"),
        ("pretrain", "--config=pretrain/fashion_natural", "--config.train.batch_size=100000"),
    ],
)
def test_a_run_that_is_refused_for_its_data_leaves_nothing(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main([*words, "--workdir=a/runs", "--cpu-devices=2"]) == 2
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a" / "runs").mkdir(parents=True)
    assert cli.main([*words, "--workdir=a/runs", "--cpu-devices=2"]) == 2
    assert list((tmp_path / "a" / "runs").iterdir()) == []
