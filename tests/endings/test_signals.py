"""What a command does that is asked to stop, at any moment of its life."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.endings.conftest import COMMAND, end, start, wait_for

ASKS = [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP]
ENDS = {"done": 0, "failed": 1, "broken": 1, "bad": 2}


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


def test_the_command_that_is_installed_hears_signals_from_the_first_moment_on():
    settings = (Path(__file__).parents[2] / "setup.cfg").read_text()
    assert "rtickets = rtickets.__main__:main" in settings
