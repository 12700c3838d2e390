"""Files of a user's own, whose additions do not outlive their test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from rtickets import cli
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
