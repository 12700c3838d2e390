"""The command with runs in a bucket: a server on this machine that speaks S3."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from rtickets import Ticket, cli
from rtickets.cli.launch import say_page
from rtickets.cli.start import when_free
from rtickets.errors import InputError, InUseError, LostError, StorageError
from rtickets.runs.folders import RunFolder
from rtickets.storage import conditions, objects, workdirs
from rtickets.storage.files import write_text
from rtickets.training.observe.trackers import publish

pytest.importorskip("obstore")
pytest.importorskip("moto")
ROOT = Path(__file__).parents[2]


def load(name):
    file = ROOT / "tests" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


buckets, study = load("bucket"), load("soak_study")
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


def test_verbs_that_read_take_addresses_and_leave_the_bucket_as_it_is(
    bucket, config, tmp_path, capsys
):
    """All from a folder without runs, as on another machine."""
    say = partial(said_by, capsys)
    ticket = say("pretrain", *config, f"--workdir={WORKDIR}").splitlines()[-1].partition(": ")[2]
    asked = ["--config.attacks={}", "--config.measures={}", "--devices=1", f"--workdir={WORKDIR}"]
    said = say("evaluate", f"--config.ticket={ticket}", *asked)
    evaluation = said.splitlines()[-1].partition(": ")[2]
    before = contents()
    named = [f"{WORKDIR}/pretrain-*", f"latest:{WORKDIR}/pretrain-"]
    for place in (ticket, f"{ticket}/ticket", *named):
        assert f"OK {WORKDIR}" in say("ticket", "verify", place)
    assert "prunable" in say("ticket", "show", ticket)
    assert json.loads(say("ticket", "diff", ticket, f"{ticket}/ticket", "--json"))
    assert "parameters" in say("compact", ticket, f"--out={tmp_path / 'c'}", "--batch-sizes=0")
    own = ["hf://me/mine", "--license=mit", "--dry-run", f"--evaluation={evaluation}"]
    assert "nothing was sent" in say("push", ticket, *own)
    assert contents() == before
    assert "clean: " in say("report", evaluation)
    assert f"report: {evaluation}/report.html" in say("report", f"latest:{WORKDIR}/evaluate-")
    assert contents().keys() - before.keys() <= {f"{Path(evaluation).name}/report.html"}
    for words in (["compact", ticket], ["export", ticket, "--format=onnx"]):
        with pytest.raises(SystemExit) as ended:
            run(*words, f"--out={WORKDIR}/out")
        assert ended.value.code == 2
        assert "is an address, not a path" in capsys.readouterr().err


@pytest.mark.slow
def test_exports_take_addresses(bucket, config, tmp_path, capsys):
    say = partial(said_by, capsys)
    ticket = say("pretrain", *config, f"--workdir={WORKDIR}").splitlines()[-1].partition(": ")[2]
    for form in ("stablehlo", "onnx", "torchvision"):
        out = tmp_path / form
        assert "answers on" in say("export", ticket, f"--format={form}", f"--out={out}")
        assert (out / "export.json").is_file()


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
    held = [False]

    def waits(environ):
        """Let no line of metrics be put there after the first checkpoint."""
        held[0] = held[0] or environ["PATH_INFO"].endswith("checkpoints/4/SEAL")
        return None

    bucket.fault = waits
    with subprocess.Popen([*words, f"--workdir={WORKDIR}"], env=own) as process:
        while not held[0] and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    bucket.fault = lambda _: None
    keys = {entry.key.partition("/")[2] for entry in there().entries("")}
    assert not {"result.json", "COMPLETE"} & keys
    if not same_machine:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 0  # where need be it waits
    assert contents() == disk


def test_a_bucket_that_fails_for_good_is_one_line_and_leaves_no_result(
    bucket, config, monkeypatch, capsys
):
    monkeypatch.setattr(workdirs, "PATIENCE", 0.5)

    def no_results(environ):
        ends = environ["PATH_INFO"].endswith("result.json") and environ["REQUEST_METHOD"] == "PUT"
        return (
            ("500 Internal Server Error", "<Error><Code>InternalError</Code></Error>")
            if ends
            else None
        )

    bucket.fault = no_results
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 75
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "result.json" in line
    assert WORKDIR in line
    assert not [key for key in contents() if key.endswith(("COMPLETE", "result.json"))]
    bucket.fault = lambda _: None
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 0


@pytest.mark.parametrize("case", ["credentials", "bucket", "extra", "server"])
def test_what_is_missing_is_one_line_before_anything_runs(
    case, bucket, config, monkeypatch, capsys
):
    monkeypatch.setattr(workdirs, "_SECONDS_TO_OPEN", 0.5)
    workdir, named, before = WORKDIR, WORKDIR, len(bucket.requests)
    if case == "credentials":
        bucket.fault = buckets.refuse_others
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "bad-key")
        named = "credentials"
    elif case == "bucket":
        workdir = named = "s3://no-such-bucket/runs"
    elif case == "extra":
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        named = "rtickets[cloud]"
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for words in (["pretrain", *config, f"--workdir={workdir}"], ["status", workdir]):
        assert run(*words) == (75 if case == "server" else 2)
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert named in line
    assert not [path for method, path in bucket.requests[before:] if method == "PUT"]


def test_a_server_that_ignores_conditions_is_refused(bucket, config, capsys):
    def ignores(environ):
        environ.pop("HTTP_IF_NONE_MATCH", None)
        environ.pop("HTTP_IF_MATCH", None)

    bucket.fault = ignores
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 2
    assert "If-None-Match" in capsys.readouterr().err
    assert contents() == {}


def test_a_run_whose_input_is_refused_leaves_nothing(bucket, config, tmp_path, capsys):
    np.savez(tmp_path / "s.npz", x_train=np.zeros((4, 8, 8), np.uint8), y_train=np.arange(4))
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 2
    assert contents() == {}


def small_ticket(mark):
    params = {"body": {"kernel": np.arange(1.0, 7).reshape(2, 3)}}
    mask = {"body": {"kernel": np.arange(6).reshape(2, 3) % 2 == 0}}
    return Ticket(mask, params, {}, {"mark": mark})


def test_a_ticket_is_replaced_only_where_that_is_asked_for_wherever_it_lies(bucket, capsys):
    address = f"{WORKDIR}/group/mine"
    small_ticket(1).save(address)
    assert run("status", WORKDIR) == 0  # beside a ticket
    assert "nothing has been run here" in capsys.readouterr().out
    workdirs.open_workdir(WORKDIR)
    with pytest.raises(InputError, match="exists"):
        small_ticket(2).save(address)
    assert Ticket.load(address).meta == {"mark": 1}
    small_ticket(3).save(address, overwrite=True)
    workdirs.close_all()
    assert Ticket.load(address).meta == {"mark": 3}


def test_a_save_that_was_killed_does_not_keep_its_address(bucket):
    address = f"{WORKDIR}/mine"
    bucket.fault = lambda environ: (
        ("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>")
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith("ticket.json")
        else None
    )
    with pytest.raises(StorageError):
        small_ticket(1).save(address)
    bucket.fault = lambda _: None
    workdirs.close_all()
    assert contents().keys() == {"mine/mask.safetensors", "mine/weights.safetensors"}
    small_ticket(2).save(address)
    there().put("yours/notes.txt", b"mine")
    with pytest.raises(InputError, match="exists"):
        small_ticket(2).save(f"{WORKDIR}/yours", overwrite=True)
    workdirs.close_all()
    assert Ticket.load(address).meta == {"mark": 2}
    assert not there().entries(".claims")


def test_a_ticket_for_another_store_makes_no_folder_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("gcs://b/mine", "S3://b/mine", "hf://me/mine", Path("s3://b/mine")):
        with pytest.raises(InputError, match="s3://"):
            small_ticket(1).save(place)
    assert list(tmp_path.iterdir()) == []


def complete_run(name):
    """Put a complete run without anything into the bucket, and return the folder here."""
    for file, text in (("config.json", "{}"), ("result.json", '{"clean": {"value": 0.5}}'),
                       ("COMPLETE", "0123456789\n")):  # fmt: skip
        there().put(f"{name}/{file}", text.encode())
    folder = workdirs.open_workdir(WORKDIR) / name
    workdirs.refresh(folder)
    return folder


def test_what_trackers_are_told_after_a_run_is_in_the_bucket(bucket, monkeypatch):
    pytest.importorskip("tensorboardX")
    folder = complete_run("evaluate-x-0123456789")
    publish(folder, ["tensorboard"])
    (key,) = [entry.key for entry in there().entries("") if "/tensorboard/" in entry.key]
    assert key.endswith(".outcome")
    said = there().read(key)[0]
    assert b"result/clean.value" in said
    assert b"scratch" not in said


def test_who_may_only_read_gets_the_numbers_and_is_told_of_the_page(bucket, capsys):
    folder = complete_run("study-x-0123456789")
    bucket.fault = lambda environ: (
        ("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>")
        if environ["REQUEST_METHOD"] == "PUT"
        else None
    )

    def write(found):
        write_text(found.path / "report.html", "x")
        return found.path / "report.html"

    say_page(RunFolder(folder, "0123456789"), write)
    assert "read-only" in capsys.readouterr().out
    assert not (folder / "report.html").exists()


def test_a_claim_that_is_lost_ends_with_the_status_of_what_goes_on(monkeypatch, capsys, tmp_path):
    def lost(*_):
        raise LostError("the run was claimed by this process", tmp_path)

    monkeypatch.setitem(cli.VERBS, "status", cli.VERBS["status"]._replace(run=lost))
    assert run("status", tmp_path) == 75
    assert "claimed" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", [0.0, 0.1])
def test_a_holder_that_may_have_been_killed_is_looked_at_once_more(seconds, tmp_path):
    tries = []

    def work():
        tries.append(True)
        if len(tries) == 1:
            raise InUseError("in use", tmp_path, seconds)

    if seconds:
        when_free(work)
    else:
        with pytest.raises(InUseError):
            when_free(work)
    assert len(tries) == (2 if seconds else 1)
