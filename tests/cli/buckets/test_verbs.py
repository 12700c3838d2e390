"""Verbs that read what lies in a bucket."""

import json
from functools import partial
from pathlib import Path

import pytest

from rtickets.cli.launch import say_page
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import write_text
from rtickets.training.observe.trackers import publish
from tests import hub as hubs
from tests.cli.buckets.conftest import WORKDIR, complete_run, contents, run, said_by, there

pytest.importorskip("obstore")
pytest.importorskip("moto")


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


def test_a_run_with_a_tracker_whose_ticket_is_pushed(bucket, config, tmp_path, monkeypatch, capsys):
    """What is in the bucket is what arrives: curves in event files, the ticket on a hub."""
    for package in ("tensorboardX", "huggingface_hub"):
        pytest.importorskip(package)
    say = partial(said_by, capsys)
    words = ["pretrain", *config, f"--workdir={WORKDIR}", "--track=tensorboard"]
    place = say(*words).splitlines()[-1].removeprefix("done: ")
    name = place.rpartition("/")[2]
    files = {key: data for key, data in contents().items() if "/tensorboard/" in key}
    curves, outcome = sorted(files.values(), key=lambda data: b"result/" in data)
    assert len(files) == 2
    assert b"train/loss" in curves
    assert b"train/loss" not in outcome
    assert b"scratch" not in curves + outcome
    say(*words)  # again: what came out of it is told anew, in the place of what was
    again = {key: data for key, data in contents().items() if "/tensorboard/" in key}
    assert len(again) == 2
    assert curves in again.values()
    with hubs.serving(monkeypatch, tmp_path / "hub") as hub:
        say("push", place, "hf://me/mine", "--license=mit")
        say("pull", "hf://me/mine", f"--out={tmp_path / 'pulled'}")
        (sent,) = hub.commits.values()
    kept = {
        key.removeprefix(f"{name}/ticket/"): data
        for key, data in contents().items()
        if key.startswith(f"{name}/ticket/")
    }
    assert {file: data for file, data in sent.items() if file != "README.md"} == kept
    assert {path.name: path.read_bytes() for path in (tmp_path / "pulled").iterdir()} == kept
    assert b"scratch" not in b"".join(sent.values())


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
