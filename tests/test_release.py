"""Both archives, installed in fresh environments of the oldest and the newest Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rtickets import __version__

ROOT = Path(__file__).parents[1]
USE = """
import numpy as np
import rtickets

params = {"body": {"kernel": np.arange(1.0, 13).reshape(3, 4)}}
mask = rtickets.draw_omp(params, sparsity=0.5)
rtickets.Ticket(mask, params).save("ticket")
assert rtickets.masks.sparsity(rtickets.Ticket.load("ticket").mask) == 0.5
"""
TYPED = """
import rtickets

ticket: rtickets.Ticket = rtickets.Ticket.load(3)
"""


def run(*words, **options):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **options)
    assert done.returncode == 0, (words, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The source archive, and the wheel that is built from it."""
    top = tmp_path_factory.mktemp("archives")
    tracked = run("git", "ls-files", cwd=ROOT).splitlines()
    for name in tracked:
        if (ROOT / name).exists():
            (top / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, top / "source" / name, follow_symlinks=False)
    run(sys.executable, "-m", "build", "--no-isolation", "-o", top / "dist", top / "source")
    return next((top / "dist").glob("*.tar.gz")), next((top / "dist").glob("*.whl"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [0, 1], ids=["sdist", "wheel"])
@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_an_archive_in_a_fresh_environment(version, kind, archives, tmp_path):
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-V"], capture_output=True).returncode:
        pytest.skip(f"there is no Python {version}")
    run(python, "-m", "venv", tmp_path / "venv")
    own = tmp_path / "venv" / "bin" / "python"
    run(own, "-m", "pip", "install", "--quiet", archives[kind], "mypy")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    here = {"cwd": tmp_path, "env": environment}
    command = tmp_path / "venv" / "bin" / "rtickets"
    assert run(command, "--version", **here).split() == ["rtickets", __version__]
    assert "transfer" in run(command, "--help", **here)
    assert "studies/demo" in run(command, "configs", "list", **here)
    assert "10,800 images" in run(command, "data", "info", **here)
    run(own, "-c", USE, **here)
    run(command, "ticket", "verify", "ticket", **here)
    (tmp_path / "typed.py").write_text(TYPED)
    words = [own, "-m", "mypy", "--ignore-missing-imports", "--follow-imports=silent", "typed.py"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **here)
    assert "arg-type" in done.stdout  # the types of the installed package are seen
