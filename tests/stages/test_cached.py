"""Linear evaluation on cached features gives what features of every step give, and says so."""

import json

import chex
import pytest

from rtickets import stages
from rtickets.config import (
    DataConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.costs import Setting
from rtickets.draw import Ticket
from rtickets.errors import InputError, NonFiniteLossError
from rtickets.evaluation.recalibration import TransferRecalibrateConfig
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages import cached
from rtickets.stages.registry import estimate

TRAIN = TrainConfig(
    optimizer=OptimizerConfig(
        learning_rate=0.3, weight_decay=0.01, schedule="multistep", milestones=("7it",)
    ),
    duration="11it", batch_size=8, statistics="frozen", validate_every="4it",
    checkpoint_every="0ep",
)  # fmt: skip


def transfer(bench, features, devices=1, **fields):
    config = TransferConfig(
        **{"data": bench.tasks["down"], "mode": "linear", "train": TRAIN, **fields},
        features=features,
    )
    taken = parallel.local_devices(devices)
    return stages.transfer(config, bench.source, bench.workdir, "x", taken)


def lines(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def assert_same(one, other):
    """Compare runs: weights, results and all lines, numbers to float32's tolerance."""
    first, second = (Ticket.load(run.source.ticket) for run in (one, other))
    chex.assert_trees_all_close(first.params, second.params, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_equal(first.batch_stats, second.batch_stats)
    chex.assert_trees_all_equal(first.mask, second.mask)
    results = [run.result() for run in (one, other)]
    for name in ("step", "validation", "moves"):
        assert results[0][name] == results[1][name]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer__name": "adamw", "optimizer__learning_rate": 0.02},
        {"averaging__decay": 0.5, "select": "last"},
        {"objective__label_smoothing": 0.2, "accumulate": 2, "validate_every": "1ep"},
        {"select": "last", "validate_every": "0ep"},
    ],
    ids=lambda changes: ",".join(changes),
)
def test_cached_features_train_the_same_head(bench, changes):
    train = config_files.replace(TRAIN, **changes)
    if "optimizer__name" not in changes:
        train = config_files.replace(train, seed=3)
    plain, quick = (transfer(bench, kind, train=train) for kind in ("computed", "cached"))
    assert_same(plain, quick)
    for before, after in zip(lines(plain.path), lines(quick.path), strict=True):
        assert before == pytest.approx(after, rel=1e-4)
    assert quick.result()["features"] == "cached"


def test_recalibrated_statistics_and_two_devices_change_nothing(bench):
    fields = {"recalibrate": TransferRecalibrateConfig(batches=2, batch_size=16)}
    plain, quick = transfer(bench, "computed", **fields), transfer(bench, "cached", 2, **fields)
    assert_same(plain, quick)


def test_all_rungs_are_those_of_single_trainings(bench):
    fields = {"learning_rates": (1e-3, 0.3, 3e38), "weight_decays": (0.0, 0.1)}
    plain, quick = (transfer(bench, kind, **fields) for kind in ("computed", "cached"))
    assert_same(plain, quick)
    for before, after in zip(plain.result()["rungs"], quick.result()["rungs"], strict=True):
        assert ("failed" in before) == ("failed" in after) == (before["learning_rate"] > 1)
        assert before.get("validation") == after.get("validation")
    assert quick.result()["learning_rate"] == plain.result()["learning_rate"]
    for folder in (plain.path / "rungs").iterdir():
        found = lines(quick.path / "rungs" / folder.name)
        for before, after in zip(lines(folder), found, strict=True):
            assert before == pytest.approx(after, rel=1e-4)


def test_a_head_that_diverges_is_no_result(bench):
    with pytest.raises(NonFiniteLossError, match="learning_rate"):
        transfer(bench, "cached", train=config_files.replace(TRAIN, optimizer__learning_rate=3e38))


def test_a_rung_that_diverges_is_said(bench, capsys):
    transfer(bench, "cached", learning_rates=(0.3, 3e38))
    assert "learning_rate=3e+38" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"mode": "finetune"}, "mode='linear'"),
        ({"train": config_files.replace(TRAIN, statistics="batch")}, "train.statistics='frozen'"),
        ({"train": config_files.replace(TRAIN, objective=ObjectiveConfig(name="pgd"))},
         "train.objective.name='natural'"),
        ({"train": config_files.replace(TRAIN, objective=ObjectiveConfig(name="gaussian"))},
         "train.objective.name='natural'"),
        ({"train": config_files.replace(TRAIN, observe__tensorboard=True)}, "train.observe"),
    ],
)  # fmt: skip
def test_what_moves_features_is_refused_in_one_line(fields, named):
    with pytest.raises(ValueError, match=named):
        TransferConfig(**{"mode": "linear", "train": TRAIN, "features": "cached", **fields})


def test_augmentation_is_refused_with_the_fields_that_turn_it_off(bench):
    changed = config_files.replace(bench.tasks["down"], flip=True, crop_padding=1)
    with pytest.raises(InputError, match=r"data\.crop_padding=0, data\.flip=False"):
        transfer(bench, "cached", data=changed)
    scaled = config_files.replace(bench.tasks["down"], random_scale=(0.5, 2.0))
    with pytest.raises(InputError, match=r"data\.random_scale=None"):
        transfer(bench, "cached", data=scaled)
    config = TransferConfig(mode="linear", train=TRAIN, features="cached")  # mnist5k pads and crops
    with pytest.raises(InputError, match=r"data\.crop_padding=0\)"):
        estimate(config, Setting(ModelConfig(width=0.0625)))


def test_too_many_features_are_refused_before_anything_is_computed(bench, monkeypatch):
    monkeypatch.setattr(cached, "MOST_BYTES", 100)
    monkeypatch.setattr(cached, "pooled_features", None)
    with pytest.raises(InputError, match="60 examples"):
        transfer(bench, "cached")


def test_a_dry_run_counts_every_image_once_and_what_features_take():
    small = Setting(ModelConfig(width=0.0625))
    data = DataConfig(source="mnist5k", crop_padding=0, train_examples=200)
    train = config_files.replace(TRAIN, duration="20ep")
    plain = TransferConfig(data=data, mode="linear", train=train, learning_rates=(0.1, 0.2))
    (every,), (once,) = (
        estimate(config_files.replace(plain, features=kind), small)
        for kind in ("computed", "cached")
    )
    assert once.operations < every.operations / 20
    assert once.memory["features"] == 4 * 32 * (200 + 400)
    assert "once" in " ".join(once.about)
