"""Signals: heard at any moment, answered at once or when there is no time left to save."""

import os
import signal
import subprocess
import sys
import threading
import time

import jax
import pytest

from rtickets.errors import Preempted
from rtickets.platform import parallel, preemption, processes

COMPILE = """
import jax, jax.numpy as jnp
def f(x):
    for i in range(3000):
        x = jnp.sin(x @ x) + i
    return x
lowered = jax.jit(f).lower(jnp.ones((8, 8)))
print("ready", flush=True)
lowered.compile()
print("compiled", flush=True)
"""
SLEEP = 'print("ready", flush=True); time.sleep(60)'
ASK = """
print("ready", flush=True)
while not preemption.heard():
    time.sleep(0.01)
time.sleep(0.5)
raise SystemExit(3)
"""


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def wait_until_requested():
    end = time.monotonic() + 5
    while not preemption.requested():
        assert time.monotonic() < end
        time.sleep(0.001)


def spawn(body, grace_seconds):
    """Start a process that listens, and wait until it is ready."""
    lines = "\n    ".join(body.strip().splitlines())
    code = (
        "import time\nfrom rtickets.platform import preemption\n"
        f"with preemption.listening({grace_seconds}):\n    {lines}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_nobody_is_asked_to_stop_outside_of_listening():
    assert not preemption.requested()
    preemption.check()


def test_without_a_signal_nothing_is_requested():
    with preemption.listening():
        assert not preemption.requested()
        preemption.check()


@pytest.mark.parametrize("number", preemption.SIGNALS)
def test_a_signal_is_a_request_until_the_end(number):
    with preemption.listening():
        send(number)
        wait_until_requested()
        with pytest.raises(Preempted, match="asked to stop"):
            preemption.check()
        assert preemption.requested()
    assert not preemption.requested()
    with preemption.listening():
        assert not preemption.requested()


def test_one_process_checks_at_once():
    with preemption.listening():
        assert preemption.late_check(parallel.local_devices(2)) is preemption.check


def test_several_processes_wait_once_and_then_go_by_the_answer_two_calls_before(monkeypatch):
    asked, waited, answers = [], [], iter([0, 0, 1, 1, 1])

    def ask(flags):
        asked.append(flags.tolist())
        return next(answers)

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(processes, "any_process", waited.append)
    monkeypatch.setattr(preemption, "_sum_over", lambda devices: ask)
    with preemption.listening():
        check = preemption.late_check(parallel.local_devices(2))
        for _ in range(4):
            check()
        send()
        while not preemption.heard():
            time.sleep(0.001)
        with pytest.raises(Preempted):
            check()
    assert waited == [False]
    assert asked == [[0, 0]] * 4 + [[1, 1]]


def test_handlers_are_those_of_before_afterwards():
    heard = []
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.append(1))
    try:
        with preemption.listening():
            pass
        send(signal.SIGUSR1)
        assert heard == [1]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert signal.set_wakeup_fd(-1) == -1


@pytest.fixture
def keyboard():
    """Interrupts are heard; shells let jobs in the background ignore them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_an_interrupt_from_the_keyboard_is_a_request_where_something_can_be_saved(keyboard):
    with preemption.listening():
        with preemption.saving():
            send(signal.SIGINT)
            wait_until_requested()
        assert preemption.status() == 130


def test_an_interrupt_ends_everything_else_at_once(keyboard):
    with preemption.listening():
        with preemption.saving():
            pass
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_the_status_is_that_of_the_first_signal(keyboard):
    with preemption.listening(), preemption.saving():
        assert preemption.status() == 75
        send(signal.SIGHUP)
        wait_until_requested()
        send(signal.SIGINT)
        time.sleep(0.05)
        assert preemption.status() == 75


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with preemption.listening():
            send(signal.SIGHUP)
            time.sleep(0.05)
            assert not preemption.requested()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_thread_cannot_listen_and_does_not_fail():
    answers = []

    def run():
        with preemption.listening():
            answers.append(preemption.requested())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert answers == [False]


def test_a_compilation_is_not_waited_for():
    process = spawn(COMPILE, grace_seconds=1)
    process.terminate()
    began = time.monotonic()
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 75
    assert time.monotonic() - began < 5
    assert "compiled" not in out
    assert errors.splitlines()[-1].startswith("rtickets: no time to save within 1 s; the same")


def test_a_second_signal_ends_at_once():
    process = spawn(SLEEP, grace_seconds=60)
    process.terminate()
    time.sleep(1.2)
    assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 75
    assert "once more" in errors


def test_signals_that_come_together_are_one():
    process = spawn(ASK, grace_seconds=60)
    for _ in range(3):
        process.terminate()
        time.sleep(0.1)
    process.communicate(timeout=5)
    assert process.returncode == 3
