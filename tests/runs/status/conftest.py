"""Run folders as processes leave them, and lines of throughput."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

NOW = time.time()


def make(workdir, name, *, complete=False, lines=(), holder=None, age=100.0):
    folder = workdir / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    if lines:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / "throughput.jsonl").write_text(text + '{"step": 99, "la')  # still being written
    if holder is not None:
        (folder / ".lock").write_text(holder)
    if complete:
        (folder / "COMPLETE").write_text("0123456789\n")
    for path in (*folder.iterdir(), folder):
        os.utime(path, (time.time() - age,) * 2)
    return folder


def line(step, time, compiled=False):
    return {
        "step": step, "last_step": 100, "time": time, "steps": 10, "seconds": 5.0,
        "compiled": compiled, "images_per_second": 640.0,
    }  # fmt: skip


def here(pid):
    return f"process {pid} on {socket.gethostname()}"


@pytest.fixture(scope="module")
def ended():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
