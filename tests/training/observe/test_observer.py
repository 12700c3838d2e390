import contextlib
import json
import struct

import jax
import numpy as np
import pytest

from rtickets.config import (
    DrawConfig,
    ObserveConfig,
    OptimizerConfig,
    PretrainConfig,
    StudyConfig,
    TrainConfig,
)
from rtickets.errors import InputError, Preempted
from rtickets.platform import parallel
from rtickets.runs import run_identity
from rtickets.settings import config_files
from rtickets.storage.files import read_metrics
from rtickets.training.loop import Loop
from rtickets.training.observe import observer as observe
from rtickets.training.observe.trackers import opened, tensorboard

ALL = ObserveConfig(tensorboard=True, profile_steps=2)


def config_with(observed, **changes):
    fields = {
        "optimizer": OptimizerConfig(learning_rate=0.05, schedule="constant"),
        "duration": "3ep",
        "batch_size": 8,
        "select": "last",
        "observe": observed,
    }
    return TrainConfig(**{**fields, **changes})


def loop_in(folder, tiny, config, validate=lambda params, stats: 0.5):
    folder.mkdir(exist_ok=True)
    program = tiny.program(optimizer=config.optimizer, total_steps=18, steps_per_epoch=6)
    return Loop(program, config, tiny.split, tiny.mask, validate, folder, "test")


def points(folder):
    """All (curve, step, value) of the event files of a run."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = []
    for path in sorted((folder / tensorboard.FOLDER).iterdir()):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = proto.Event()
            event.ParseFromString(data[place + 12 : place + 12 + length])
            found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
            place += length + 16
    return found


class Killed(Exception):
    """What the tests stop a run with."""


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """A run that nothing interrupts, with everything written."""
    folder = tmp_path_factory.mktemp("whole")
    outcome = loop_in(folder, tiny, config_with(ALL)).fit(tiny.params, tiny.batch_stats)
    return folder, outcome


def test_there_is_a_line_of_throughput_for_every_line_of_metrics(whole):
    folder, _ = whole
    lines = read_metrics(folder / "throughput.jsonl")
    assert [line["step"] for line in lines] == [6, 12, 18]
    assert [line["compiled"] for line in lines] == [True, False, False]
    for line in lines:
        assert line["last_step"] == 18
        assert 0 < line["input_seconds"] < line["seconds"]
        assert line["images_per_second"] == pytest.approx(48 / line["seconds"], rel=1e-3)
        assert line["images_per_second_per_device"] == line["images_per_second"]
    assert not {"seconds", "time"} & set(read_metrics(folder / "metrics.jsonl")[0])


def test_the_curves_are_the_numbers_of_both_files(whole):
    folder, _ = whole
    found = {(tag, step): value for tag, step, value in points(folder)}
    for line in read_metrics(folder / "metrics.jsonl"):
        assert found["train/loss", line["step"]] == np.float32(line["loss"])
        assert found["train/validation", line["step"]] == 0.5
    rates = [value for (tag, _), value in found.items() if tag == "throughput/images_per_second"]
    assert len(rates) == 3
    assert "throughput/last_step" not in {tag for tag, _ in found}


def test_a_trace_is_written_and_the_parts_add_up_to_the_step(whole):
    folder, _ = whole
    assert list((folder / "profile").rglob("*.xplane.pb"))
    split = json.loads((folder / "profile" / "split.json").read_text())
    assert set(split) == {"input", "attack", "update", "step"}
    assert min(split.values()) >= 0
    assert split["input"] + split["attack"] + split["update"] == pytest.approx(split["step"])


def test_watching_changes_nothing(whole, tiny, tmp_path):
    folder, watched = whole
    plain = loop_in(tmp_path, tiny, config_with(ObserveConfig()))
    unwatched = plain.fit(tiny.params, tiny.batch_stats)
    jax.tree.map(np.testing.assert_array_equal, unwatched.params, watched.params)
    written = [(path / "metrics.jsonl").read_bytes() for path in (folder, tmp_path)]
    assert written[0] == written[1]
    assert not (tmp_path / "tensorboard").exists()
    assert not (tmp_path / "profile").exists()


@pytest.mark.parametrize("first", [ObserveConfig(), ObserveConfig(tensorboard=True)])
def test_a_resumed_run_has_every_point_once(whole, tiny, tmp_path, first):
    calls = []

    def validate(params, stats):
        calls.append(0)
        if len(calls) == 3:
            raise Killed
        return 0.5

    every = {"checkpoint_every": "12it"}
    with pytest.raises(Killed):
        loop_in(tmp_path, tiny, config_with(first, **every), validate).fit(
            tiny.params, tiny.batch_stats
        )
    with (tmp_path / "throughput.jsonl").open("a") as file:  # lines that no checkpoint covers
        file.write('{"step": 18, "last_step": 18, "time": 0.0}\n{"step": 1')
    config = config_with(ObserveConfig(tensorboard=True), **every)
    loop_in(tmp_path, tiny, config).fit(tiny.params, tiny.batch_stats)
    steps = [line["step"] for line in read_metrics(tmp_path / "throughput.jsonl")]
    assert steps == [6, 12, 18]
    found = [(tag, step) for tag, step, _ in points(tmp_path)]
    assert len(found) == len(set(found))
    assert set(found) == {(tag, step) for tag, step, _ in points(whole[0])}
    written = [(path / "metrics.jsonl").read_bytes() for path in (whole[0], tmp_path)]
    assert written[0] == written[1]


def test_an_epoch_that_lacked_its_validation_alone_has_no_throughput(tiny, tmp_path):
    def preempted(params, stats):
        raise Preempted

    config = config_with(ObserveConfig())
    with pytest.raises(Preempted):
        loop_in(tmp_path, tiny, config, preempted).fit(tiny.params, tiny.batch_stats)
    loop_in(tmp_path, tiny, config).fit(tiny.params, tiny.batch_stats)
    throughput, metrics = (
        [line["step"] for line in read_metrics(tmp_path / f"{name}.jsonl")]
        for name in ("throughput", "metrics")
    )
    assert metrics == [6, *throughput]


def test_without_steps_there_is_no_throughput(tmp_path):
    watched = ObserveConfig(tensorboard=True)
    observer = observe.Observer(tmp_path, watched, 8, parallel.local_devices(1))
    with observer.watch(6, 18):
        observer.log({"step": 6, "loss": 0.5})
    assert read_metrics(tmp_path / "throughput.jsonl") == []
    assert points(tmp_path) == [("train/loss", 6, 0.5)]


def test_a_damaged_throughput_does_not_stop_a_resume(tmp_path):
    path = tmp_path / "throughput.jsonl"
    line = {"step": 3, "last_step": 18, "time": 1.0, "steps": 3, "seconds": 0.5, "compiled": True,
            "images_per_second": 48.0}  # fmt: skip
    wrong = [{"step": 3}, {**line, "step": "3"}, {**line, "steps": 0}, {**line, "time": None}]
    sound = [line, *wrong, {**line, "step": 9}]
    text = b"\n".join(json.dumps(one).encode() for one in sound)
    path.write_bytes(bytes(9) + b"\n" + text + b'\n{"step"')
    watched = ObserveConfig(tensorboard=True)
    with observe.Observer(tmp_path, watched, 8, parallel.local_devices(1)).watch(6, 18):
        assert read_metrics(path) == [line]


def test_metrics_that_are_none_are_not_plotted(tmp_path):
    lines = [{"step": "x"}, {"loss": 1}, {"step": 3, "loss": "nan", "accuracy": 0.5}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    watched = ObserveConfig(tensorboard=True)
    with observe.Observer(tmp_path, watched, 8, parallel.local_devices(1)).watch(6, 18):
        pass
    assert points(tmp_path) == [("train/accuracy", 3, 0.5)]


@pytest.mark.parametrize("name", ["throughput.jsonl", "tensorboard", "profile"])
def test_nothing_is_written_behind_a_link(tmp_path, name):
    foreign, folder = tmp_path / "foreign", tmp_path / "run"
    foreign.mkdir()
    folder.mkdir()
    (foreign / "mine").write_text("mine")
    (folder / name).symlink_to(foreign / "mine" if name == "throughput.jsonl" else foreign)
    watched = ObserveConfig(tensorboard=True, profile_steps=1)
    observer = observe.Observer(folder, watched, 8, parallel.local_devices(1))
    with contextlib.suppress(InputError), observer.watch(0, 18):
        for _ in range(4):
            observer.dispatch(None, 1)
        observer.log({"step": 4, "loss": 0.5})
    assert [path.name for path in foreign.iterdir()] == ["mine"]
    assert (foreign / "mine").read_text() == "mine"


class Device:
    """A device that tells its memory."""

    process_index = 0

    def __init__(self, stats):
        self.memory_stats = lambda: stats


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        ([None], {}),
        ([{"bytes_in_use": 3, "bytes_limit": 9}, {"bytes_in_use": 5, "bytes_limit": 9}],
         {"bytes_in_use": 5, "bytes_limit": 9}),
        ([{"peak_bytes_in_use": 7, "num_allocs": 1}], {"peak_bytes_in_use": 7}),
    ],
)  # fmt: skip
def test_the_memory_is_that_of_the_fullest_device(stats, expected):
    assert observe.device_memory(tuple(Device(one) for one in stats)) == expected


def test_missing_tensorboard_is_said_before_anything_runs(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(opened.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'rtickets\[tensorboard\]'"):
        loop_in(tmp_path, tiny, config_with(ObserveConfig(tensorboard=True)))


@pytest.mark.parametrize(
    "config",
    [PretrainConfig(), StudyConfig(), DrawConfig(method="imp", train=TrainConfig())],
)
def test_what_is_watched_does_not_change_the_name_of_a_run(config):
    watched = config_files.replace_everywhere(config, {"observe": ALL})
    assert watched != config
    assert run_identity.digest(watched) == run_identity.digest(config)
    stored = json.loads(json.dumps(config_files.to_dict(config)))
    assert not run_identity.changed_fields(config_files.to_dict(watched), stored)
    assert config_files.replace_everywhere(watched, {"observe": ObserveConfig()}) == config
