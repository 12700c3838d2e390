"""Files of a user's own, whose additions do not outlive their test."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from rtickets import Ticket, cli, evaluation
from rtickets.costs.network_costs import network_cost
from rtickets.data import SOURCES
from rtickets.models import ARCHITECTURES
from rtickets.tasks import TASKS


@pytest.fixture
def own_file(tmp_path, monkeypatch) -> Callable[..., Callable[..., Path]]:
    """Return (name, text) -> (verb, *options) -> the folder of a run, dry before."""
    monkeypatch.chdir(tmp_path)
    registries = (TASKS, SOURCES, ARCHITECTURES)
    before = [(entries, dict(entries)) for entries in registries]
    network_cost.cache_clear()

    def write(name, text):
        Path(f"{name}.py").write_text(text)

        def run(verb, *options, config=""):
            words = [verb, f"--config={name}.py:{config or verb}", "--workdir=runs", "--devices=1"]
            words += [f"--config.{option}" for option in options]
            known = set(Path("runs").glob("*"))
            assert cli.main([*words, "--dry-run"]) == 0
            assert cli.main(words) == 0
            new = set(Path("runs").glob(f"{verb}-*")) - known
            return max(new, key=lambda folder: (folder / "COMPLETE").stat().st_mtime_ns)

        return run

    yield write
    for entries, kept in before:
        entries.clear()
        entries.update(kept)
    network_cost.cache_clear()


class Killed(BaseException):
    """Ends a run as a signal would that cannot be heard."""


@pytest.fixture
def ends_bit_equal(monkeypatch) -> Callable[..., Path]:
    """Return (whole, file, config, *options) -> the folder of a run that was killed and went on.

    It dies in its second validation, goes on, and is compared with `whole`, the folder of the same
    run that nobody disturbed.
    """

    def check(whole, file, config, *options):
        calls, judge = [], evaluation.judge

        def dies(*arguments, **more):
            calls.append(0)
            if len(calls) == 2:
                raise Killed
            return judge(*arguments, **more)

        verb = whole.name.partition("-")[0]
        words = [verb, f"--config={file}.py:{config}", "--workdir=killed", "--devices=1"]
        words += [f"--config.{option}" for option in options]
        with monkeypatch.context() as patch:
            patch.setattr(evaluation, "judge", dies)
            with pytest.raises(Killed):
                cli.main(words)
        assert not list(Path("killed").glob("*/COMPLETE"))
        assert cli.main(words) == 0
        (resumed,) = Path("killed").glob(f"{verb}-*")
        tickets = [Ticket.load(folder / "ticket") for folder in (whole, resumed)]
        jax.tree.map(np.testing.assert_array_equal, *(ticket.params for ticket in tickets))
        texts = [(folder / "metrics.jsonl").read_bytes() for folder in (whole, resumed)]
        assert texts[0] == texts[1]
        return resumed

    return check


@pytest.fixture
def by_two_and_by_one() -> Callable[..., tuple[Path, Path]]:
    """Return (file, config, *options) -> the folders of a run by two processes and by one."""

    def run(file, config, *options):
        verb = "evaluate" if config.startswith("evaluate") else "transfer"
        words = [f"--config={file}.py:{config}", *(f"--config.{option}" for option in options)]
        command = [sys.executable, "-m", "rtickets", verb, *words]
        with socket.socket() as found:
            found.bind(("localhost", 0))
            where = f"--coordinator=localhost:{found.getsockname()[1]}"
        together = ["--workdir=two", where, "--num-processes=2", "--cpu-devices=1"]
        both = [subprocess.Popen([*command, *together, f"--process-id={n}"]) for n in (0, 1)]
        assert [process.wait(900) for process in both] == [0, 0]
        subprocess.run([*command, "--workdir=one", "--cpu-devices=2"], check=True)
        two, one = (max(Path(name).glob(f"{verb}-*")) for name in ("two", "one"))
        return two, one

    return run
