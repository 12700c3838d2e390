"""The command of a worker, made from the options of the command that starts it."""

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rtickets.runs.workers import Worker
from rtickets.storage import workdirs


def worker_command(words: Sequence[str], worker: Worker) -> list[str]:
    """Return the command of one worker, by this Python; `words` are options of the study."""
    return [sys.executable, "-m", "rtickets", "study", *words, f"--worker={worker}"]


def words_of(options: argparse.Namespace, leave_out: Collection[str]) -> list[str]:
    """Return the words that parsed options came from, one per value.

    Args:
        options: what argparse made of them; every option is called like its long form.
        leave_out: names of options to leave out. Those without a value have no word either.
    """
    words = []
    for name, value in _set_options(vars(options), leave_out).items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        else:
            words += [f"{flag}={one}" for one in (value if isinstance(value, list) else [value])]
    return words


def _set_options(values: Mapping[str, Any], leave_out: Collection[str]) -> dict[str, Any]:
    return {
        name: _word(value)
        for name, value in values.items()
        if name not in leave_out and value is not None and value is not False
    }


def _word(value: Any) -> Any:
    """Return what a worker is told: it has copies of its own of what lies in a bucket."""
    return (workdirs.address_of(value) or value) if isinstance(value, Path) else value
