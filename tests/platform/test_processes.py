import json
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from rtickets import cli
from rtickets.cli.start import lost_another
from rtickets.errors import InputError, InUseError, LostError, RefusedError, StorageError
from rtickets.platform import parallel, processes


@pytest.fixture
def two(monkeypatch):
    """This process as the first of two; the other one says what the test tells it to."""
    other = SimpleNamespace(text="", array=None)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "process_index", lambda: 0)
    monkeypatch.setattr(processes, "_exchange", lambda text: [text, other.text])
    monkeypatch.setattr(processes, "gather", lambda mine: np.stack([mine, other.array]))
    return other


def test_one_process_needs_nobody():
    assert processes.on_primary(lambda: 3) == 3
    assert processes.any_process(True) is True
    assert processes.any_process(False) is False
    processes.check_agreement("nothing", {"a": 1})
    np.testing.assert_array_equal(processes.own_share(5), np.arange(5))
    np.testing.assert_array_equal(processes.merge_shares(np.arange(5), 5), np.arange(5))
    np.testing.assert_array_equal(processes.gather(np.arange(2)), [[0, 1]])


def test_processes_that_agree_go_on_and_others_are_told_where_they_differ(two):
    two.text = json.dumps({"a": 1, "b": [2, 3]})
    processes.check_agreement("the test", {"a": 1, "b": (2, 3)})
    with pytest.raises(InputError, match=r"the test: a=2 in process 0 and 1 in 1\. "):
        processes.check_agreement("the test", {"a": 2, "b": (2, 3)})
    with pytest.raises(InputError, match="c=0 in process 0 and None in 1"):
        processes.check_agreement("the test", {"a": 1, "b": (2, 3), "c": 0})


def test_what_the_primary_meets_reaches_every_process(two):
    def refuse(error):
        raise error

    assert processes.on_primary(lambda: {"a": (1, 2)}) == {"a": [1, 2]}
    with pytest.raises(InputError, match="no such thing"):
        processes.on_primary(lambda: refuse(InputError("no such thing")))
    with pytest.raises(OSError, match="full disk"):
        processes.on_primary(lambda: refuse(OSError("full disk")))


@pytest.mark.parametrize(
    "error",
    [
        InputError("bad"),
        InUseError("in use", Path("run"), 3.0),
        LostError("lost", Path("run")),
        OSError("full disk"),
        StorageError("away"),
        RefusedError("no"),
    ],
)
def test_every_process_ends_as_the_primary_does(two, monkeypatch, error):
    def refuse():
        raise error

    said = []
    monkeypatch.setattr(processes, "_exchange", lambda text: [said.append(text) or text])
    with pytest.raises(type(error)):
        processes.on_primary(refuse)
    monkeypatch.setattr(processes, "_exchange", lambda _: said)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    with pytest.raises(type(error), match=str(error)) as other:
        processes.on_primary(refuse)
    assert type(other.value) is type(error)
    for name in ("folder", "seconds"):
        assert getattr(other.value, name, None) == getattr(error, name, None)


def test_a_flag_of_any_process_counts(two):
    for other, mine in ((True, False), (False, True)):
        two.array = np.asarray(other)
        assert processes.any_process(mine) is True


@pytest.mark.parametrize(("index", "expected"), [(0, [0, 2, 4]), (1, [1, 3])])
def test_shares_are_every_second_example(two, monkeypatch, index, expected):
    monkeypatch.setattr(jax, "process_index", lambda: index)
    np.testing.assert_array_equal(processes.own_share(5), expected)
    np.testing.assert_array_equal(processes.own_share(1), [0])


@pytest.mark.parametrize("chunk", [1, 2**26])
def test_shares_merge_in_order(two, monkeypatch, chunk):
    monkeypatch.setattr(processes, "_CHUNK", chunk)
    whole = np.random.default_rng(0).standard_normal((5, 2))
    parts = iter([[whole[[1, 3, 1]]], whole[[1, 3, 1], None]][chunk == 1])
    monkeypatch.setattr(processes, "gather", lambda mine: np.stack([mine, next(parts)]))
    merged = processes.merge_shares(whole[[0, 2, 4]], 5)
    assert merged.dtype == np.float64
    np.testing.assert_array_equal(merged, whole)


def fake_devices(*per_process):
    return [
        SimpleNamespace(process_index=process, id=100 * process + number)
        for process, count in enumerate(per_process)
        for number in range(count)
    ]


def ids(devices):
    return [device.id for device in devices]


def test_devices_are_taken_from_all_processes_alike(two, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: fake_devices(3, 3)[::-1])
    assert ids(parallel.all_devices()) == [0, 1, 2, 100, 101, 102]
    assert ids(parallel.all_devices(4)) == [0, 1, 100, 101]
    assert ids(parallel.all_devices(4).local) == [0, 1]


@pytest.mark.parametrize("count", [0, 3, 8])
def test_a_number_of_devices_that_processes_cannot_share_is_named(two, monkeypatch, count):
    monkeypatch.setattr(jax, "devices", lambda: fake_devices(3, 3))
    with pytest.raises(InputError, match=f"{count} devices .* 2 .* 6"):
        parallel.all_devices(count)


def test_processes_with_different_numbers_of_devices_are_named(two, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: fake_devices(2, 4))
    with pytest.raises(InputError, match="2 in process 0, 4 in process 1"):
        parallel.all_devices()


def test_a_process_shards_the_part_of_its_devices(two, monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: fake_devices(2, 2))
    devices = parallel.all_devices()
    batch = np.arange(8)
    np.testing.assert_array_equal(parallel.shard(batch, devices), [[0, 1], [2, 3]])
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    np.testing.assert_array_equal(parallel.shard(batch, devices), [[4, 5], [6, 7]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("node0",), "coordinator='node0' .*HOST:PORT"),
        (("node0:x",), "coordinator='node0:x' .*HOST:PORT"),
        (("node0:1", 0, 0), "num_processes=0"),
        (("node0:1", 2, 2), "process_id=2 .*2 processes"),
        (("node0:1", 0, 2), "join .*before"),
    ],
)
def test_settings_that_lead_nowhere_are_named(settings, message):
    jax.devices()  # too late for JAX to join anybody
    with pytest.raises(InputError, match=message):
        processes.initialise(*settings)
    for watchdog in threading.enumerate():
        if isinstance(watchdog, threading.Timer):
            watchdog.join(5)
            assert not watchdog.is_alive()


def test_a_process_that_waits_in_vain_says_so(tmp_path):
    words = ["--coordinator=localhost:1", "--process-id=1", "--num-processes=2"]
    command = [sys.executable, "-m", "rtickets", "demo", f"--workdir={tmp_path}", *words]
    done = subprocess.run(
        [*command, "--start-timeout=1"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("rtickets: waited 1 s for 2 processes to meet at localhost:1;")


def test_a_bad_number_in_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("JAX_PROCESS_ID", "first")
    with pytest.raises(InputError, match="JAX_PROCESS_ID='first'"):
        processes.initialise("node0:1")


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (jax.errors.JaxRuntimeError("UNKNOWN: Gloo all-reduce failed: connection closed"), True),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"), False),
        (ValueError("UNKNOWN: Gloo allgather failed: Connection closed by peer"), True),
        (ValueError("INTERNAL: connection reset"), True),
        (ValueError("shapes do not fit"), False),
        (KeyError("UNKNOWN: "), False),
    ],
)
def test_an_exchange_that_fails_tells_that_another_process_is_gone(error, lost):
    assert lost_another(error) is lost


@pytest.mark.parametrize("words", [("--process-id=0",), ("--num-processes=2",)])
def test_processes_need_a_coordinator(words, tmp_path, capsys):
    assert cli.main(["demo", f"--workdir={tmp_path}", *words]) == 2
    assert "need --coordinator=HOST:PORT" in capsys.readouterr().err
