"""What a bucket lacks or refuses is one line, and leaves no result."""

import importlib.util

import numpy as np
import pytest

from rtickets import Ticket, cli
from rtickets.cli.start import when_free
from rtickets.errors import InputError, InUseError, LostError, RefusedError
from rtickets.storage import workdirs
from tests.cli.buckets.conftest import WORKDIR, buckets, contents, run, small_ticket

pytest.importorskip("obstore")
pytest.importorskip("moto")


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
    with pytest.raises(RefusedError, match="If-None-Match"):
        small_ticket(1).save(f"{WORKDIR}/mine")
    with pytest.raises(InputError):
        Ticket.load(f"{WORKDIR}/mine")
    assert contents() == {}


def test_a_run_whose_input_is_refused_leaves_nothing(bucket, config, tmp_path, capsys):
    np.savez(tmp_path / "s.npz", x_train=np.zeros((4, 8, 8), np.uint8), y_train=np.arange(4))
    assert run("pretrain", *config, f"--workdir={WORKDIR}") == 2
    assert contents() == {}


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
