"""What a command does whose reader is gone, or whose disk is full; the statuses it ends with."""

import subprocess
import sys

import pytest

from rtickets.platform import statuses
from tests.endings.conftest import end, start, wait_for


@pytest.mark.parametrize("streams", [["stdout"], ["stderr"], ["stdout", "stderr"]])
def test_work_goes_on_when_its_reader_is_gone(tmp_path, streams):
    given = {name: subprocess.PIPE if name in streams else subprocess.DEVNULL
             for name in ("stdout", "stderr")}  # fmt: skip
    with start("speaks", cwd=tmp_path, **given) as process:
        for name in streams:
            getattr(process, name).close()
        assert process.wait(20) == 0
    assert (tmp_path / "reached").exists()


def test_results_that_a_full_disk_did_not_take_are_no_success(tmp_path):
    with open("/dev/full", "w") as full, start("speaks", cwd=tmp_path, stdout=full) as process:  # noqa: PTH123
        status, said = end(process)
    assert status == 2
    assert said.count("rtickets: the disk is full") == 1
    assert said.splitlines()[-1].startswith("rtickets: the disk is full")


def test_words_that_a_full_disk_did_not_take_are_lost_and_nothing_else(tmp_path):
    with open("/dev/full", "w") as full, start("speaks", cwd=tmp_path, stderr=full) as process:  # noqa: PTH123
        assert end(process)[0] == 0
    assert (tmp_path / "reached").exists()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["study", "--help"]])
def test_help_that_a_full_disk_did_not_take_is_no_success(words):
    command = [sys.executable, "-m", "rtickets", *words]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("rtickets: the disk is full")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "status"), [("done", 0), ("failed", 1), ("bad", 2), ("speaks", 0), ("opens", 0)]
)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(tmp_path, kind, status, closed):
    """A file that is opened must not get their numbers, to which libraries write."""
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    with start(kind, shell=shell, cwd=tmp_path) as process:
        found, said = end(process)
    assert found == status
    assert "Traceback" not in said
    assert not (tmp_path / "taken").exists()


def test_statuses_of_signals_are_those_of_a_shell():
    with start("idle") as process:
        wait_for(process, "ready")
        process.kill()
        process.wait()
    assert statuses.of_process(process.returncode) == 137
    assert not statuses.is_resumable(process.returncode)
    resumable = {status for status in range(256) if statuses.is_resumable(status)}
    assert resumable == {75, 129, 134, 138, 143}
    assert all(map(statuses.is_resumable, (-1, -6, -10, -15)))
