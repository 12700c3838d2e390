"""What one command compiled, the next need not, wherever its working directory lies."""

import os
import shutil
import subprocess
import sys

import pytest

CODE = """
import argparse, jax, jax.numpy as jnp
from pathlib import Path
from rtickets.cli.start import start
from jax._src import monitoring
seen = []
monitoring.register_event_listener(lambda event, **_: seen.append(event))
options = argparse.Namespace(
    workdir=Path("runs"), cpu_devices=1, devices=None, parallel="pmap", distributed=False,
    coordinator=None, process_id=None, num_processes=None,
)
start(options, keep_compiled=KEEP)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: jnp.sin(x) @ x)(jnp.ones((5, 5))).block_until_ready()
hits, misses = (seen.count(f"/jax/compilation_cache/cache_{kind}") for kind in ("hits", "misses"))
print("hits" if hits else "", "misses" if misses else "")
"""


def compile_in(folder, *, keep=True, **variables):
    folder.mkdir(exist_ok=True)
    own = {"JAX_COMPILATION_CACHE_DIR": "", **variables}
    environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
    words = [sys.executable, "-c", CODE.replace("KEEP", str(keep))]
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split(), done.stderr


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_moved_working_directory_and_a_moved_cache_compile_nothing_anew(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    assert compile_in(here, XDG_CACHE_HOME=tmp_path / "cache") == (["misses"], "")
    assert files_below(here) == []
    here.rename(there)
    assert compile_in(there, XDG_CACHE_HOME=tmp_path / "cache") == (["hits"], "")
    shutil.move(tmp_path / "cache", tmp_path / "moved")
    assert compile_in(there, XDG_CACHE_HOME=tmp_path / "moved") == (["hits"], "")


def test_a_dry_run_keeps_nothing(tmp_path):
    assert compile_in(tmp_path / "runs", keep=False, XDG_CACHE_HOME=tmp_path / "c") == ([], "")
    assert files_below(tmp_path) == []


def test_the_place_that_jax_was_told_of_is_taken(tmp_path):
    compile_in(tmp_path, JAX_COMPILATION_CACHE_DIR=tmp_path / "own", XDG_CACHE_HOME=tmp_path / "c")
    assert files_below(tmp_path / "own")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("name", ["cache", b"l\xe9".decode("utf-8", "surrogateescape")])
def test_without_a_safe_place_nothing_is_kept_and_a_line_says_so(tmp_path, name):
    folder = tmp_path / name / "rtickets"
    folder.mkdir(parents=True)
    folder.chmod(0o777 if name == "cache" else 0o700)
    found, said = compile_in(tmp_path / "runs", XDG_CACHE_HOME=tmp_path / name)
    assert found == []
    assert said.startswith("compiled programs are not kept (")
    assert len(said.splitlines()) == 1
    assert files_below(tmp_path) == []
