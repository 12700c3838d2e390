"""The script of speed on accelerators, with tiny networks, on whatever machine this is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "speed" / "gpu.sh"

pytestmark = pytest.mark.slow


def test_every_part_of_the_page_is_measured():
    for name in ("torch", "torchattacks"):
        pytest.importorskip(name)
    there = {**os.environ, "SIZE": "tiny", "PYTHON": sys.executable}
    found = subprocess.run([SCRIPT], env=there, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert "failed" not in found.stdout
    assert found.stdout.count("\n## ") == 5
    assert found.stdout.count("| pgd | ours |") == 2
    assert "2 at once" in found.stdout
    assert "| robust | 4 | linf |" in found.stdout


def test_another_size_is_refused():
    there = {**os.environ, "SIZE": "large"}
    found = subprocess.run([SCRIPT], env=there, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "SIZE=large" in found.stderr
