"""A server on this machine that speaks S3, and a training of a second."""

from pathlib import Path

import numpy as np
import pytest

from rtickets import Ticket, cli
from rtickets.storage import conditions, objects, workdirs
from tests import bucket as buckets
from tests import soak_study as study

ROOT = Path(__file__).parents[3]
WORKDIR = f"s3://{buckets.BUCKET}/runs"
PRETRAIN = """
import importlib.util
from rtickets.config import *
from rtickets.settings import config_files
from rtickets.tickets import provenance
spec = importlib.util.spec_from_file_location("soak_study", {study!r})
study = importlib.util.module_from_spec(spec)
spec.loader.exec_module(study)
provenance.build_model = study.tiny_network
def get_config():
    data = DataConfig(source="npz", path={data!r})
    train = TrainConfig(duration="6ep", batch_size=8, checkpoint_every="4it")
    return config_files.editable(PretrainConfig(data=data, train=train))
"""


@pytest.fixture(scope="module")
def server():
    with buckets.serving() as bucket:
        yield bucket


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """The server without faults and objects, and a machine that has no copies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RTICKETS_CLAIM_SECONDS", "6")
    monkeypatch.setattr(conditions, "_checked", set())
    with buckets.emptied(server, WORKDIR):
        yield server
    workdirs.close_all()


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The words of a training of a network of one block that takes a second."""
    from rtickets.tickets import provenance

    monkeypatch.setattr(provenance, "build_model", provenance.build_model)  # put back at the end
    data = study.write_task(tmp_path, "s", 3)
    (tmp_path / "config.py").write_text(PRETRAIN.format(data=data, study=study.__file__))
    return [f"--config={tmp_path / 'config.py'}", "--devices=1"]


def there():
    """Return all that is in the bucket."""
    from rtickets.storage import addresses

    return objects.Objects(addresses.connect(addresses.read_address(WORKDIR)), WORKDIR)


def contents():
    store = there()
    return {
        entry.key: store.read(entry.key)[0]
        for entry in store.entries("")
        if not entry.key.startswith(".claims") and is_result(entry.key)
    }


def is_result(name):
    return name.rpartition("/")[2] not in ("timing.json", "throughput.jsonl")


def on_disk(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and is_result(path.name)
    }


def run(*words):
    return cli.main([str(word) for word in words])


def said_by(capsys, *words):
    capsys.readouterr()
    assert run(*words) == 0, (words, capsys.readouterr())
    return capsys.readouterr().out


@pytest.fixture
def disk(config, tmp_path):
    """What the training leaves on a disk."""
    assert run("pretrain", *config, f"--workdir={tmp_path / 'disk'}") == 0
    return on_disk(tmp_path / "disk")


def small_ticket(mark):
    params = {"body": {"kernel": np.arange(1.0, 7).reshape(2, 3)}}
    mask = {"body": {"kernel": np.arange(6).reshape(2, 3) % 2 == 0}}
    return Ticket(mask, params, {}, {"mark": mark})


def complete_run(name):
    """Put a complete run without anything into the bucket, and return the folder here."""
    for file, text in (("config.json", "{}"), ("result.json", '{"clean": {"value": 0.5}}'),
                       ("COMPLETE", "0123456789\n")):  # fmt: skip
        there().put(f"{name}/{file}", text.encode())
    folder = workdirs.open_workdir(WORKDIR) / name
    workdirs.refresh(folder)
    return folder
