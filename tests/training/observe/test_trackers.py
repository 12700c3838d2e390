"""Every tracker has the curves, settings and results of a run; one that fails costs no run."""

import hashlib
import json
import struct
import sys

import numpy as np
import pytest
from PIL import Image

from rtickets import Ticket
from rtickets.errors import InputError, show_as
from rtickets.storage import workdirs
from rtickets.training.observe import trackers
from rtickets.training.observe.trackers import TRACKERS, Kind, open_trackers, publish
from rtickets.training.observe.trackers import opened as opening
from rtickets.training.observe.trackers import tensorboard as events

CONFIG = {"seed": 3, "train": {"duration": "2ep", "rates": [0.1, 0.2]}}
LINES = [{"step": step, "loss": 1 / step, "parts": {"head": 0.5}} for step in (2, 4, 6)]


@pytest.fixture(autouse=True)
def _none_failed(monkeypatch):
    monkeypatch.setattr(opening, "_left_until", {})


@pytest.fixture
def run(tmp_path):
    """The folder of a complete run."""
    folder = tmp_path / "runs" / "transfer-digits-0123456789"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "result.json").write_text('{"clean": {"value": 0.75}, "note": "text", "cells": [1]}')
    (folder / "report.html").write_text("<p>all of it</p>")
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).save(folder / "curves.png")
    Ticket({"w": np.array([True, False])}, {"w": np.array([1.0, 2.0])}).save(folder / "ticket")
    return folder


def digest_of(run):
    return hashlib.sha256((run / "ticket" / "ticket.json").read_bytes()).hexdigest()


def track(run, name, lines=LINES):
    opened = open_trackers([name], run, again=True)
    opened.replay("train", lines, {line["step"]: float(line["step"]) for line in lines})
    opened.flush()
    opened.close()


def test_mlflow_has_every_point_once_and_what_came_out(run, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    track(run, "mlflow", LINES[:2])
    track(run, "mlflow")  # goes on, and gives the earlier lines again
    publish(run, ["mlflow"])
    publish(run, ["mlflow"])  # as the same command does once more
    client = mlflow.MlflowClient()
    (found,) = client.search_runs([client.get_experiment_by_name("rtickets").experiment_id])
    history = client.get_metric_history(found.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in history] == [(2, 0.5), (4, 0.25), (6, 1 / 6)]
    (once,) = client.get_metric_history(found.info.run_id, "result/clean.value")
    assert once.value == 0.75
    assert {"train/loss", "parts/head", "result/clean.value"} == set(found.data.metrics)
    assert found.data.params["train.duration"] == "2ep"
    assert found.data.tags["ticket sha256"] == digest_of(run)
    names = {item.path for item in client.list_artifacts(found.info.run_id)}
    assert {"pictures", "report.html", "ticket"} <= names
    assert found.info.status == "FINISHED"


def records(run):
    """All records of the files that Weights & Biases would send: LevelDB's log of protobufs."""
    proto = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    found = []
    for path in sorted((run / "wandb").glob("offline-run-*/*.wandb")):
        data, place, whole = path.read_bytes(), 7, b""
        while place + 7 < len(data):
            if (left := 32768 - place % 32768) < 7:
                place += left
                continue
            _, length, kind = struct.unpack_from("<IHB", data, place)
            whole += data[place + 7 : place + 7 + length]
            place += 7 + length
            if kind in (1, 4):  # whole, or the last part
                found.append(proto.Record.FromString(whole))
                whole = b""
    return found


def test_wandb_offline_has_every_point_once_and_what_came_out(run, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for hook in ("exit", "excepthook"):  # W&B puts its own there
        monkeypatch.setattr(sys, hook, getattr(sys, hook))
    track(run, "wandb", LINES[:2])
    track(run, "wandb")  # goes on
    publish(run, ["wandb"])
    publish(run, ["wandb"])  # as the same command does once more
    wandb.teardown()  # ends the process that writes, as the end of ours does
    found = records(run)
    (name,) = {one.run.run_id for one in found if one.HasField("run")}
    assert name == run.name
    lines = [
        {"/".join(item.nested_key) or item.key: item.value_json for item in one.history.item}
        for one in found
        if one.HasField("history")
    ]
    losses = [json.loads(line["train/loss"]) for line in lines if "train/loss" in line]
    assert losses == [0.5, 0.25, 1 / 6]
    assert len([line for line in lines if any("curves" in name for name in line)]) == 1
    kinds = {one.artifact.type for one in found if one.HasField("artifact")}
    assert {"ticket", "report"} <= kinds
    said = str(found)
    assert digest_of(run) in said
    assert "clean.value" in said
    assert "duration" in said


def test_tensorboard_has_pictures_and_where_the_ticket_is(run):
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    track(run, "tensorboard")
    for _ in range(3):  # as the same command does once more
        publish(run, ["tensorboard"])
    data = b"".join(path.read_bytes() for path in sorted((run / events.FOLDER).iterdir()))
    assert data.count(b"train/loss") == len(LINES)
    assert data.count(b"result/clean.value") == 1
    assert digest_of(run).encode() in data
    assert b"curves" in data
    assert proto is not None


class Failing:
    """A tracker that cannot do one thing."""

    def __init__(self, what):
        self.what, self.calls = what, []

    def __call__(self, opening):
        if self.what == "open":
            raise ConnectionError("no network\nof many lines")
        return self

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append(name)
            if name == self.what:
                raise TimeoutError("nobody there")

        return call


@pytest.mark.parametrize("what", ["open", "write", "flush", "finish", "close"])
def test_a_tracker_that_fails_is_told_of_once_and_others_go_on(run, what, monkeypatch, capsys):
    failing, sound = Failing(what), Failing("nothing")
    monkeypatch.setitem(TRACKERS, "failing", Kind("json", "json", failing))
    monkeypatch.setitem(TRACKERS, "sound", Kind("json", "json", sound))
    opened = open_trackers(["failing", "sound"], run, again=True)
    for line in LINES:
        opened.write("train", line, 0.0)
    opened.flush()
    opened.finish(trackers.published.outcome_of(run))
    opened.close()
    assert sound.calls == ["write"] * 3 + ["flush", "finish", "close"]
    said = capsys.readouterr()
    (told,) = [line for line in (said.out + said.err).splitlines() if "failing" in line]
    assert "Error" in told


def test_a_tracker_that_fails_slowly_is_not_waited_for_by_every_run(run, monkeypatch, capsys):
    clock, waits = [0.0], [20.0]

    def open_it(opening):
        clock[0] += waits[0]
        raise ConnectionError("no network")

    monkeypatch.setattr(opening.time, "monotonic", lambda: clock[0])
    monkeypatch.setitem(TRACKERS, "failing", Kind("json", "json", open_it))
    for _ in range(5):
        open_trackers(["failing"], run, again=True).close()
    assert clock[0] == 20
    assert capsys.readouterr().err.count("failing") == 1
    clock[0] += opening._MINUTES * 60
    waits[0] = 0.1
    for _ in range(3):  # what fails at once may be about that run alone
        open_trackers(["failing"], run, again=True).close()
    assert clock[0] == pytest.approx(20 + opening._MINUTES * 60 + 0.3)
    assert capsys.readouterr().err.count("failing") == 3


SECRETS = (
    "http://eve:SECRET@127.0.0.1:9 answers nothing",
    "http://SECRET@host/x and https://eve:a@SECRET@host, refused",
    "POST https://host/log?key=SECRET&run=1",
    "the key of this process, SECRET-of-the-environment, is unknown",
)


@pytest.mark.parametrize("text", SECRETS)
def test_no_password_or_key_is_in_what_is_told_of_a_failure(text, run, monkeypatch, capsys):
    monkeypatch.setenv("SOMEBODYS_API_KEY", "SECRET-of-the-environment")

    def open_it(opening):
        raise ConnectionError(text)

    monkeypatch.setitem(TRACKERS, "failing", Kind("json", "json", open_it))
    open_trackers(["failing"], run, again=True)
    said = capsys.readouterr().err
    assert "ConnectionError" in said
    assert "SECRET" not in said
    assert "host" not in text or "host" in said


def test_of_a_run_in_a_bucket_its_address_is_told_and_files_of_trackers_are_put_there(
    run, monkeypatch
):
    pytest.importorskip("tensorboardX")
    put = []
    monkeypatch.setattr(workdirs, "wrote", put.append)
    monkeypatch.setattr(workdirs, "address_of", lambda path: f"s3://bucket/{path.name}")
    show_as(str(run.parent), "s3://bucket/runs")
    try:
        publish(run, ["tensorboard"])
    finally:
        show_as(str(run.parent), None)
    assert put == [run / "tensorboard"]
    data = b"".join(path.read_bytes() for path in (run / events.FOLDER).iterdir())
    assert f"s3://bucket/runs/{run.name}/ticket".encode() in data
    assert str(run).encode() not in data


@pytest.mark.parametrize(("name", "expected"), [("nothing", "tensorboard"), ("absent", "absent")])
def test_what_cannot_track_is_refused_by_name(name, expected, monkeypatch):
    monkeypatch.setitem(TRACKERS, "absent", Kind("no_such_package", "absent", Failing("open")))
    with pytest.raises(InputError, match=expected):
        trackers.check_trackers([name])
