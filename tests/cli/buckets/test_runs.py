"""The command with runs in a bucket: the bytes of a disk."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rtickets import Ticket
from rtickets.storage import workdirs
from tests.cli.buckets.conftest import ROOT, WORKDIR, buckets, contents, on_disk, run, study, there

pytest.importorskip("obstore")
pytest.importorskip("moto")


def test_a_run_leaves_the_same_bytes_and_every_verb_finds_it(
    bucket, config, disk, tmp_path, capsys
):
    bucket.fault = buckets.Sometimes(7)  # of seven requests one fails
    capsys.readouterr()
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 0
    assert contents() == disk
    told = capsys.readouterr().out.splitlines()[-1]
    address = told.removeprefix("done: ")
    assert address.startswith(f"{WORKDIR}/pretrain-")
    assert list((tmp_path / "cache" / "rtickets" / "scratch").iterdir()) == []

    assert run("status", WORKDIR, "--json") == 0
    (status,) = json.loads(capsys.readouterr().out)
    assert (status["state"], status["done"], status["total"]) == ("complete", 36, 36)
    latest = f"latest:{WORKDIR}/pretrain-"
    assert run("ticket", "verify", address, f"{address}/ticket", latest) == 0
    assert capsys.readouterr().out.count("OK") == 3

    draw = ["draw", "--config.sparsity=0.5", "--devices=1", f"--workdir={WORKDIR}"]
    assert run(*draw, "--config.ticket=latest:pretrain-") == 0
    drawn = capsys.readouterr().out.splitlines()[-1].removeprefix("done: ")
    bucket.fault = lambda _: None
    ticket = Ticket.load(drawn)
    before = len(bucket.requests)
    assert run(*draw, f"--config.ticket={address}") == 0  # is done
    assert not [path for method, path in bucket.requests[before:] if method == "PUT"]
    ticket.save(f"{WORKDIR}/mine")
    workdirs.close_all()
    again = Ticket.load(f"{WORKDIR}/mine")
    assert repr(again) == repr(ticket)
    assert WORKDIR not in json.dumps(again.meta)


def test_a_run_in_google_cloud_storage_has_the_same_bytes(bucket, config, disk, tmp_path):
    """As its client of `obstore` speaks; the server here keeps generations as Google says."""
    there().put("s.npz", (tmp_path / "s.npz").read_bytes())
    workdir = WORKDIR.replace("s3:", "gs:")
    words = ["pretrain", *config, f"--workdir={workdir}/gs"]
    assert run(*words) == 0
    found = {name.removeprefix("gs/"): data for name, data in contents().items()}
    assert {name: data for name, data in found.items() if name != "s.npz"} == disk
    before = len(bucket.requests)
    assert run(*words) == 0
    assert not [path for method, path in bucket.requests[before:] if method == "PUT"]
    away = [f"--config.data.path={workdir}/s.npz", f"--workdir={tmp_path / 'away'}"]
    assert run("pretrain", *config, *away) == 0
    assert {path.name for path in (tmp_path / "away").iterdir()} == {
        name.partition("/")[0] for name in disk
    }


def test_data_in_a_bucket_give_the_run_of_the_disk(bucket, config, disk, tmp_path, capsys):
    """Only where the data lie is told otherwise."""
    there().put("sets/s.npz", (tmp_path / "s.npz").read_bytes())
    address = f"{WORKDIR}/sets/s.npz"
    words = [*config, f"--config.data.path={address}"]
    assert run("pretrain", *words, f"--workdir={tmp_path / 'away'}") == 0
    found = on_disk(tmp_path / "away")
    assert found.keys() == disk.keys()
    different = {name.partition("/")[2] for name in disk if found[name] != disk[name]}
    assert different == {"config.json", "ticket/ticket.json"}
    place = json.dumps(str(tmp_path / "s.npz")).encode()
    for name in disk:
        assert found[name].replace(json.dumps(address).encode(), place) == disk[name]
    capsys.readouterr()
    ticket = next((tmp_path / "away").iterdir())
    words = [f"--config.ticket={ticket}", "--config.attacks={}", "--config.measures={}"]
    assert run("evaluate", *words, "--devices=1", f"--workdir={tmp_path / 'away'}") == 0


@pytest.mark.parametrize("same_machine", [True, False])
def test_a_run_that_is_killed_goes_on_and_leaves_the_same_bytes(
    same_machine, bucket, config, disk, tmp_path, monkeypatch
):
    words = [sys.executable, "-m", "rtickets", "pretrain", *config, "--cpu-devices=4"]
    own = {**os.environ, "PYTHONPATH": str(ROOT), **study.settings(tmp_path)}
    killed = threading.Event()

    def waits(environ):
        """Let nothing be written between the first checkpoint and the kill."""
        if is_sealed():
            killed.wait(60)

    def is_sealed():
        return [path for method, path in bucket.requests if path.endswith("checkpoints/4/SEAL")]

    bucket.fault = waits
    with subprocess.Popen([*words, f"--workdir={WORKDIR}"], env=own) as process:
        while not is_sealed() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    killed.set()
    assert process.returncode == -signal.SIGKILL
    bucket.fault = lambda _: None
    keys = {entry.key.partition("/")[2] for entry in there().entries("")}
    assert not {"result.json", "COMPLETE"} & keys
    steps = {key.split("/")[1] for key in keys if key.startswith("checkpoints/")}
    assert steps == {"4"}
    if not same_machine:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    before = len(bucket.requests)
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 0  # where need be it waits
    assert contents() == disk
    put = [path for method, path in bucket.requests[before:] if method == "PUT"]
    assert not [path for path in put if "checkpoints/4/" in path]  # it goes on from there
