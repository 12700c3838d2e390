import os

import pytest

from rtickets.errors import InputError
from rtickets.runs.names import find_run


@pytest.fixture
def workdir(tmp_path):
    times = {"pretrain-a-1": 10, "pretrain-b-2": 30, "pretrain-c-3": 20, "draw-[x]-4": 5}
    for name, time in times.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "COMPLETE").write_text("")
        os.utime(tmp_path / name / "COMPLETE", (time, time))
    (tmp_path / "pretrain-d-5").mkdir()  # not complete
    return tmp_path


def test_a_path_is_itself(workdir):
    assert find_run(str(workdir / "pretrain-a-1")) == workdir / "pretrain-a-1"
    assert find_run("nowhere/at-all").name == "at-all"


def test_a_path_may_begin_in_the_home_folder(workdir, monkeypatch):
    monkeypatch.setenv("HOME", str(workdir))
    assert find_run("~/pretrain-a-1") == workdir / "pretrain-a-1"
    with pytest.raises(InputError, match="~no-such-user"):
        find_run("~no-such-user/x")


def test_the_latest_is_the_one_that_was_completed_last(workdir):
    assert find_run("latest:pretrain-", workdir).name == "pretrain-b-2"
    assert find_run(f"latest:{workdir}/pretrain-").name == "pretrain-b-2"
    assert find_run("latest:draw-[x]", workdir).name == "draw-[x]-4"


def test_runs_that_are_called_just_so_come_before_longer_names(tmp_path):
    for time, name in enumerate(("draw-omp0.9-1", "draw-omp0.9-2", "draw-omp0.95-3", "draw-omp-4")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "COMPLETE").write_text("")
        os.utime(tmp_path / name / "COMPLETE", (time, time))
    assert find_run("latest:draw-omp0.9", tmp_path).name == "draw-omp0.9-2"
    assert find_run(f"latest:{tmp_path}/draw-omp0.9").name == "draw-omp0.9-2"
    assert find_run("latest:draw-omp0.", tmp_path).name == "draw-omp0.95-3"
    assert find_run("latest:draw-omp", tmp_path).name == "draw-omp-4"
    assert find_run("latest:draw-omp0.9-1", tmp_path).name == "draw-omp0.9-1"


def test_a_run_that_is_not_complete_is_never_the_latest(workdir):
    with pytest.raises(InputError, match=r"no complete run.*not complete: pretrain-d-5"):
        find_run("latest:pretrain-d", workdir)


def test_folders_of_one_name_are_told_apart(tmp_path):
    for run in "ab":
        (tmp_path / run / "ticket").mkdir(parents=True)
    with pytest.raises(InputError, match=r"a/ticket, .*b/ticket"):
        find_run(f"{tmp_path}/*/ticket")


@pytest.mark.parametrize("text", ["latest:", "latest:/"])
def test_a_prefix_is_needed(text, workdir):
    with pytest.raises(InputError, match="prefix"):
        find_run(text, workdir)


def test_a_pattern_must_match_one_folder(workdir):
    assert find_run("pretrain-a-*", workdir).name == "pretrain-a-1"
    assert find_run(f"{workdir}/*-b-?").name == "pretrain-b-2"
    with pytest.raises(InputError, match="4: pretrain-a-1, pretrain-b-2"):
        find_run("pretrain-*", workdir)
    with pytest.raises(InputError, match="0: none"):
        find_run("transfer-*", workdir)


def test_a_folder_with_the_signs_of_a_pattern_in_its_name_is_found(workdir):
    assert find_run(str(workdir / "draw-[x]-4")).name == "draw-[x]-4"
