"""The scripts behind the figures of `docs/speed.md` still run, with tiny networks."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "speed"
TINY = ["--width=0.0625", "--size=8"]

pytestmark = pytest.mark.slow


def printed(script: str, *words: str) -> str:
    """Return what a script prints; one that fails is an error with its last words."""
    command = [sys.executable, str(FOLDER / script), *words, *TINY]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    return found.stdout


@pytest.mark.parametrize("objective", ["natural", "pgd", "lmp"])
def test_the_step_of_every_objective_is_timed(objective):
    words = [objective, "4", "--precision=float32", "--dispatch=1", "--steps=1"]
    assert "images/s" in printed("train_step.py", *words)


@pytest.mark.parametrize("objective", ["natural", "pgd"])
def test_the_engine_is_timed_beside_a_bare_step(objective):
    words = [objective, "4", "--steps=1", "--windows=1", "--count=1"]
    assert "engine" in printed("overhead.py", *words)


def test_memory_is_counted_for_every_objective():
    objectives = ["natural", "free", "fast", "pgd", "trades"]
    found = printed("memory.py", "4", "--steps=1", "--objectives", *objectives)
    assert all(name in found for name in objectives)
