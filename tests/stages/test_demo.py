"""The demo as a newcomer runs it, twice: `make test-slow`, about 10 minutes on two CPU cores."""

import csv
import resource
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run_demo(workdir):
    command = [sys.executable, "-m", "rtickets", "demo", f"--workdir={workdir}"]
    subprocess.run(command, check=True, capture_output=True)
    (study,) = workdir.glob("study-demo-*")
    return (study / "results.csv").read_text()


def test_the_demo_gives_the_same_numbers_twice_and_stays_small(tmp_path):
    first = run_demo(tmp_path / "first")
    assert run_demo(tmp_path / "second") == first
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert kilobytes < 3 * 1024**2
    cells = [row for row in csv.DictReader(first.splitlines()) if row["metric"] == "clean"]
    assert len(cells) == 2 * 2 * 5 * 2
    assert all(float(row["value"]) > 0.15 for row in cells)
