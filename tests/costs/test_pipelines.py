"""What the comparison of pipelines that is shipped would take."""

from pathlib import Path

import pytest

from rtickets import cli
from rtickets.costs import network_costs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("size", ["full", "small"])
def test_the_configurations_of_the_package_are_estimated(size, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(network_costs, "measured_rate", lambda *_: 1e12)
    words = ["search-study", f"--config={ROOT}/configs/studies/supertickets.py:{size}"]
    assert cli.main([*words, "--dry-run", f"--workdir={tmp_path}"]) == 0
    said = capsys.readouterr().out
    for part in ("search, pixels", "search, objects", "transfer, objects", "transfer_frozen"):
        assert part in said
    assert said.rstrip().endswith("nothing was trained")
    assert not list(tmp_path.iterdir())
