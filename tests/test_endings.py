"""Every way to end has one status: real processes that get signals, or lose their reader."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rtickets.platform import statuses

COMMAND = """
import asyncio, atexit, builtins, logging, sys, time, traceback
from rtickets import cli; from rtickets.platform import preemption
from rtickets.__main__ import main
from rtickets.errors import InputError, NonFiniteLossError, Preempted

def say(word):
    print(word, file=sys.stderr, flush=True)

def saves(*_):
    with preemption.saving():
        say("ready")
        while not preemption.heard():
            time.sleep(0.005)
        time.sleep(0.05)
        say("saved")
        raise Preempted("asked to stop")

def busy(*_):  # may save, but does not come to it
    with preemption.saving():
        say("ready")
        time.sleep(60)

def idle(*_):
    say("ready")
    time.sleep(60)

class Busy:
    def __del__(self):
        say("ready")
        time.sleep(60)

def cleared(*_):  # what is raised in a destructor is printed, and goes no further
    Busy()
    say("goes on")

def translated(*_):
    try:
        idle()
    except BaseException as error:
        raise RuntimeError("a library's own error") from error

class Finder:
    def find_spec(self, *_):
        try:
            idle()
        except KeyboardInterrupt:
            traceback.print_exc()  # as NumPy's own modules do
            raise

def imports(*_):
    sys.meta_path.insert(0, Finder())
    import nothing

def logged(*_):
    try:
        idle()
    except BaseException:
        logging.exception("a library's own words")
        raise

async def task():
    idle()

async def tasks():
    await asyncio.gather(*[asyncio.ensure_future(task()) for _ in range(2)])

def looped(*_):
    asyncio.run(tasks())

def done(*_):
    return None

def failed(*_):
    raise NonFiniteLossError("the loss is nan")

def bad(*_):
    raise InputError("bad")

def broken(*_):
    raise ZeroDivisionError

def speaks(*_):
    time.sleep(0.3)  # until the reader is gone
    for _ in range(20_000):
        print("a line")
        say("another")
    with open("reached", "w"):
        pass

def opens(*_):
    with open("opened", "w") as file:
        if file.fileno() < 3:
            open("taken", "w").close()

kind = sys.argv[1]
cli.VERBS["status"] = cli.VERBS["status"]._replace(run=globals()[kind.removesuffix(" slowly")])
if kind.endswith(" slowly"):
    atexit.register(lambda: (say("leaving"), time.sleep(0.7)))
sys.argv = ["rtickets", "status"]
sys.exit(main())
"""
ASKS = [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]
ENDS = {"done": 0, "failed": 1, "broken": 1, "bad": 2}


@pytest.fixture(autouse=True)
def _signals_of_a_terminal():
    """A job in the background, which ignores some, would hand that on to our processes."""
    defaults = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, action) for number, action in defaults.items()}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def start(kind, *, shell=(), **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*shell, sys.executable, "-c", COMMAND, kind], text=True, **pipes)


def wait_for(process, word):
    """Read what is said until a line is the word."""
    lines = []
    while not lines or lines[-1] != word:
        line = process.stderr.readline()
        assert line, lines
        lines.append(line.rstrip("\n"))
    return lines


def end(process):
    """Return the status as a shell has it, and what was still said."""
    try:
        _, said = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()  # or leaving its context waits for ever
        raise
    return statuses.of_process(process.returncode), said


@pytest.mark.parametrize("number", [*ASKS, signal.SIGINT])
def test_what_can_be_saved_is_saved(number):
    with start("saves") as process:
        wait_for(process, "ready")
        process.send_signal(number)
        status, said = end(process)
    assert status == (130 if number == signal.SIGINT else 75)
    assert "saved\n" in said
    assert said.endswith("asked to stop; the same command goes on\n")


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_between_the_last_words_and_the_end_does_not_change_the_status(first, again):
    with start("saves slowly") as process:
        wait_for(process, "ready")
        process.send_signal(first)
        wait_for(process, "leaving")
        for _ in range(3):
            process.send_signal(again)
            time.sleep(0.1)
        status, said = end(process)
    assert (status, said) == (130 if first == signal.SIGINT else 75, "")


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_over_is_not_taken_for_stopped(kind, number):
    with start(f"{kind} slowly") as process:
        wait_for(process, "leaving")
        process.send_signal(number)
        assert end(process)[0] == ENDS[kind]


@pytest.mark.parametrize("number", ASKS)
def test_a_signal_in_the_first_moment_is_a_request_as_well(number):
    code = COMMAND.replace("sys.exit(main())", SLOW_IMPORT)
    words = [sys.executable, "-c", code, "done"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        wait_for(process, "importing")
        process.send_signal(number)
        assert end(process) == (75, "")


SLOW_IMPORT = """
original = builtins.__import__
def slowly(name, *rest):
    if name == "rtickets.cli":
        say("importing")
        time.sleep(20)
    return original(name, *rest)
builtins.__import__ = slowly
sys.exit(main())
"""


def test_an_interrupt_ends_at_once_what_has_nothing_to_save():
    with start("idle") as process:
        wait_for(process, "ready")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        status, said = end(process)
    assert status == 130  # a line that was just being written may come twice
    assert said.removeprefix("ready\n") == "rtickets: interrupted; the same command goes on\n"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", ["cleared", "translated", "imports", "logged", "looped"])
def test_an_interrupt_is_one_line_wherever_it_comes(kind):
    with start(kind) as process:
        wait_for(process, "ready")
        process.send_signal(signal.SIGINT)
        status, said = end(process)
    assert status == 130  # a line that was just being written may come twice
    assert said.removeprefix("ready\n") == "rtickets: interrupted; the same command goes on\n"


def test_an_interrupt_before_the_work_begins_is_one_line():
    code = COMMAND.replace("sys.exit(main())", SLOW_BEGIN)
    words = [sys.executable, "-c", code, "idle"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        wait_for(process, "listening")
        process.send_signal(signal.SIGINT)
        assert end(process) == (130, "rtickets: interrupted; the same command goes on\n")


SLOW_BEGIN = """
original = preemption.Notice.begin
def slowly(notice):
    say("listening")
    time.sleep(20)
    original(notice)
preemption.Notice.begin = slowly
sys.exit(main())
"""


def test_a_second_interrupt_ends_at_once_what_does_not_come_to_save():
    with start("busy") as process:
        wait_for(process, "ready")
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        status, said = end(process)
    assert status == 130
    first, second = said.splitlines()
    assert "a second time ends it at once" in first
    assert "once more" in second


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGHUP, "saves"), (signal.SIGINT, "busy")])
def test_what_was_to_be_ignored_is_ignored(number, kind):
    """As under `nohup`, and in jobs that a shell runs in the background."""
    shell = ["sh", "-c", f"trap '' {number:d}; exec \"$@\"", "sh"]
    with start(kind, shell=shell) as process:
        wait_for(process, "ready")
        process.send_signal(number)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        if kind == "busy":
            time.sleep(1.2)
            process.send_signal(signal.SIGTERM)
        assert end(process)[0] == 75


def test_a_signal_of_a_broken_pipe_ends_nothing():
    with start("saves") as process:
        wait_for(process, "ready")
        process.send_signal(signal.SIGPIPE)
        time.sleep(0.3)
        assert process.poll() is None
        process.terminate()
        assert end(process)[0] == 75


@pytest.mark.parametrize("streams", [["stdout"], ["stderr"], ["stdout", "stderr"]])
def test_work_goes_on_when_its_reader_is_gone(tmp_path, streams):
    given = {name: subprocess.PIPE if name in streams else subprocess.DEVNULL
             for name in ("stdout", "stderr")}  # fmt: skip
    with start("speaks", cwd=tmp_path, **given) as process:
        for name in streams:
            getattr(process, name).close()
        assert process.wait(20) == 0
    assert (tmp_path / "reached").exists()


def test_results_that_a_full_disk_did_not_take_are_no_success(tmp_path):
    with open("/dev/full", "w") as full, start("speaks", cwd=tmp_path, stdout=full) as process:  # noqa: PTH123
        status, said = end(process)
    assert status == 2
    assert said.count("rtickets: the disk is full") == 1
    assert said.splitlines()[-1].startswith("rtickets: the disk is full")


def test_words_that_a_full_disk_did_not_take_are_lost_and_nothing_else(tmp_path):
    with open("/dev/full", "w") as full, start("speaks", cwd=tmp_path, stderr=full) as process:  # noqa: PTH123
        assert end(process)[0] == 0
    assert (tmp_path / "reached").exists()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["study", "--help"]])
def test_help_that_a_full_disk_did_not_take_is_no_success(words):
    command = [sys.executable, "-m", "rtickets", *words]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("rtickets: the disk is full")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "status"), [("done", 0), ("failed", 1), ("bad", 2), ("speaks", 0), ("opens", 0)]
)
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(tmp_path, kind, status, closed):
    """A file that is opened must not get their numbers, to which libraries write."""
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    with start(kind, shell=shell, cwd=tmp_path) as process:
        found, said = end(process)
    assert found == status
    assert "Traceback" not in said
    assert not (tmp_path / "taken").exists()


def test_statuses_of_signals_are_those_of_a_shell():
    with start("idle") as process:
        wait_for(process, "ready")
        process.kill()
        process.wait()
    assert statuses.of_process(process.returncode) == 137
    assert not statuses.is_resumable(process.returncode)
    resumable = {status for status in range(256) if statuses.is_resumable(status)}
    assert resumable == {75, 129, 134, 138, 143}
    assert all(map(statuses.is_resumable, (-1, -6, -10, -15)))


def test_the_command_that_is_installed_hears_signals_from_the_first_moment_on():
    settings = (Path(__file__).parents[1] / "setup.cfg").read_text()
    assert "rtickets = rtickets.__main__:main" in settings
