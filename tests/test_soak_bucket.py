"""A study in a bucket that is killed, has two workers or runs over processes: as on a disk."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("obstore")
pytest.importorskip("moto")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


there = load("soak_bucket")
on_disk = there.soak.contents  # which a soak in a bucket changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("soak")


@pytest.fixture(scope="module")
def undisturbed(folder):
    return there.soak.undisturbed(folder, print)


def test_a_study_in_a_bucket_that_is_killed_leaves_the_bytes_of_one_on_a_disk(folder, undisturbed):
    found = there.soak_bucket(folder, 5, 1, print, undisturbed)
    assert found.different == []
    assert found.kills == 5


def test_two_workers_on_two_machines_share_a_study(folder, undisturbed):
    workdir = folder / "shared"
    with there.buckets.serving() as bucket:
        bucket.fault = there.buckets.Sometimes(20)
        for number in range(2):
            (folder / f"worker{number}").mkdir()

        def start(number):
            own = {**os.environ, **there.soak.study.settings(folder)}
            own["XDG_CACHE_HOME"] = str(folder / f"worker{number}")
            words = there.soak.study.command(
                folder, there.address_of(workdir), f"--worker={number}/2"
            )
            with (folder / f"worker{number}.txt").open("wb") as log:
                return subprocess.Popen(words, env=own, stdout=log, stderr=log)

        workers = [start(number) for number in range(2)]
        assert [worker.wait() for worker in workers] == [0, 0]
        assert there.contents(workdir) == undisturbed.contents
    logs = [(folder / f"worker{number}.txt").read_text() for number in range(2)]
    done = [log.count("of 5: ") for log in logs]
    assert sum(done) == 5, logs  # no unit is told of twice
    assert min(done) >= 1, logs


def test_two_processes_of_one_training_on_two_machines(folder, undisturbed):
    """As two on one machine, with a disk; one process has other sums, as the order is another."""

    def run(workdir):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            meet = [f"--coordinator=127.0.0.1:{free.getsockname()[1]}", "--num-processes=2"]
        config = f"--config={folder / 'study.py'}"
        words = ["study", config, "--cpu-devices=1", f"--workdir={workdir}", *meet]

        def start(number):
            own = {**os.environ, **there.soak.study.settings(folder)}
            own["XDG_CACHE_HOME"] = str(folder / f"process{number}")
            command = [sys.executable, "-m", "rtickets", *words, f"--process-id={number}"]
            return subprocess.Popen(command, env=own)

        assert [one.wait() for one in [start(0), start(1)]] == [0, 0]

    workdir = folder / "processes"
    run(workdir)
    with there.buckets.serving():
        run(there.address_of(workdir))
        found = there.contents(workdir)
    assert found == on_disk(workdir)
    # Several processes train one ticket after the other, and choose nothing about that.
    alone = {name for name in undisturbed.contents if not name.endswith("/together.json")}
    assert found.keys() == alone
