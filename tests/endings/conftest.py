"""A command of many endings, and signals that a terminal sends."""

import signal
import subprocess
import sys

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
