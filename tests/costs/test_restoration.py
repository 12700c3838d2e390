"""What comparisons of ways to restore pictures would take, of their settings alone."""

from pathlib import Path

import pytest

from rtickets import cli
from rtickets.config import RestorationStudyConfig
from rtickets.costs.restoration import estimate_restorations
from rtickets.restoration import FitConfig, GeneratorConfig, MaskConfig

ROOT = Path(__file__).parents[2]
TINY = GeneratorConfig(channels=(4, 6), depth=3)


def test_cells_are_counted_and_a_step_is_three_forward_passes():
    config = RestorationStudyConfig(
        pictures=("camera", "coffee"), seeds=(0, 1, 2), size=16, sparsities=(0.4, 0.6),
        methods=("dense", "learnt", "imp"), generator=TINY, imp_rate=0.3,
        mask=MaskConfig(steps=40), training=FitConfig(steps=100, every=100), transfer=("own",),
    )  # fmt: skip
    found = {one.name: one for one in estimate_restorations(config)}
    times = {name: one.times for name, one in found.items()}
    assert times == {"dense": 6, "learnt": 12, "imp": 6, "random": 12, "transfer": 12}
    one = found["dense"].operations
    assert found["learnt"].operations == pytest.approx(one * (301 + 120) / 301)
    assert found["imp"].operations == pytest.approx(5 * one)  # 0.3, 0.4, 0.58, 0.6, and the last


@pytest.mark.parametrize("size", ["full", "small"])
def test_the_configurations_of_the_package_are_estimated(size, capsys, monkeypatch):
    monkeypatch.setattr("rtickets.costs.network_costs.measured_rate", lambda devices: 1e12)
    words = ["restore-study", f"--config={ROOT}/configs/studies/restoration.py:{size}"]
    assert cli.main([*words, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert {"full": "3,008,867 weights", "small": "56,351 weights"}[size] in said
    assert "5 times" if size == "small" else "16 times" in said
    assert said.rstrip().endswith("nothing was trained")
