"""Two users of one group in one working directory."""

import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rtickets import cli
from rtickets.tickets import provenance


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


users, soak = load("users"), load("soak")
reason = users.why_not()
pytestmark = pytest.mark.skipif(bool(reason), reason=reason or "is not used")

HOLD = """
import sys
from pathlib import Path
from rtickets.errors import explain
from rtickets.storage.locks import locked
try:
    with locked(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
except (ValueError, OSError) as error:
    print(explain(error) if isinstance(error, OSError) else error)
"""
PRETRAIN = """
import importlib.util, sys
from rtickets import cli; from rtickets.tickets import provenance
spec = importlib.util.spec_from_file_location("soak", sys.argv[1])
soak = importlib.util.module_from_spec(spec)
spec.loader.exec_module(soak)
provenance.build_model = soak.tiny_network
sys.exit(cli.main(["pretrain", *sys.argv[2:]]))
"""
ANNA, BORIS = users.USERS


@pytest.fixture
def shared():
    with users.shared_folder() as folder:
        (folder / "runs").mkdir()
        os.chown(folder / "runs", 0, users.GROUP)
        (folder / "runs").chmod(0o2775)
        yield folder


def start(folder, user, *words, umask=0o002):
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    home = users.home_of(folder, user)
    return users.as_user(user, [sys.executable, "-c", *map(str, words)], home, umask, **pipes)


def said(process):
    out, errors = process.communicate()
    return out.decode(), errors.decode()


def hold(folder, user, *, umask=0o002):
    """Try to hold the working directory, and return what was said until then."""
    with start(folder, user, HOLD, folder / "runs", umask=umask) as process:
        return said(process)[0].strip()


@pytest.mark.parametrize("umask", [0o002, 0o022])
def test_a_lock_of_a_colleague_holds_and_what_is_left_of_it_does_not(shared, umask):
    with start(shared, ANNA, HOLD, shared / "runs", umask=umask) as anna:
        assert anna.stdout.readline() == b"held\n"
        assert f"in use by process {anna.pid} on " in hold(shared, BORIS)
        anna.kill()
        anna.wait()
    left = shared / "runs" / ".lock"
    assert left.stat().st_uid == ANNA
    assert hold(shared, BORIS) == "held"
    assert not left.exists()


def test_in_a_sticky_folder_the_lock_of_a_colleague_is_taken_over(shared):
    (shared / "runs").chmod(0o3775)
    with start(shared, ANNA, HOLD, shared / "runs") as anna:
        assert anna.stdout.readline() == b"held\n"
        anna.kill()
    with start(shared, BORIS, HOLD, shared / "runs") as boris:
        assert boris.stdout.readline() == b"held\n"
        with (shared / "runs" / ".lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert said(boris) == ("", "")
    assert boris.returncode == 0


def test_a_folder_that_a_colleague_may_not_write_to_is_named_with_what_to_do(shared):
    (shared / "runs").chmod(0o755)
    answer = hold(shared, BORIS)
    assert str(shared / "runs" / ".lock") in answer
    assert "umask 002" in answer
    assert len(answer.splitlines()) == 1


def test_a_training_that_was_killed_goes_on_as_another_user(shared, monkeypatch):
    study = soak.write_inputs(shared)
    config = shared / "pretrain.py"
    config.write_text(study.read_text().replace(")))\n", ")).pretrain)\n"))
    options = [f"--config={config}", "--devices=1"]
    monkeypatch.setattr(provenance, "build_model", soak.tiny_network)
    assert cli.main(["pretrain", *options, f"--workdir={shared / 'whole'}"]) == 0
    words = [PRETRAIN, soak.__file__, *options]
    with start(shared, ANNA, *words, f"--workdir={shared / 'runs'}") as anna:
        while not list((shared / "runs").glob("*/checkpoints/[0-9]*/SEAL")):
            assert anna.poll() is None
            time.sleep(0.005)
        anna.send_signal(signal.SIGKILL)
    with start(shared, BORIS, *words, f"--workdir={shared / 'runs'}") as boris:
        errors = said(boris)[1]
    assert (boris.returncode, "damaged" in errors) == (0, False), errors
    found = [soak.contents(shared / name) for name in ("whole", "runs")]
    # another user sees no commit of a foreign checkout
    different = [name for name in soak.differences(*found) if "environment.json" not in name]
    assert different == []
    assert len(found[0]) > 5
    (mark,) = (shared / "runs").glob("*/COMPLETE")
    assert (mark.stat().st_uid, mark.stat().st_gid) == (BORIS, users.GROUP)
