"""A run that is killed or whose loss diverges: what is returned, written and kept."""

import numpy as np
import pytest

from rtickets.config import OptimizerConfig
from rtickets.errors import NonFiniteLossError
from rtickets.storage.files import read_metrics
from tests.training.loop.conftest import Killed, config_with, killed_at, loop_in


def arrays(outcome):
    return [np.asarray(leaf) for leaf in outcome.params["stem_conv"].values()] + [
        np.asarray(outcome.params["head"]["kernel"])
    ]


@pytest.mark.parametrize("validation", [1, 2, 3])
def test_a_killed_run_ends_bit_equal_to_one_that_was_not(tiny, tmp_path, validation):
    config = config_with()
    start = (tiny.params, tiny.batch_stats)
    whole = loop_in(tmp_path / "whole", tiny, config).fit(*start)
    with pytest.raises(Killed):
        loop_in(tmp_path / "killed", tiny, config, killed_at(validation)).fit(*start)
    resumed = loop_in(tmp_path / "killed", tiny, config).fit(*start)
    for expected, actual in zip(arrays(whole), arrays(resumed), strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert resumed.step == whole.step == 18
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "killed")]
    assert metrics[0] == metrics[1]


def test_the_best_validated_weights_are_returned_also_after_a_resume(tiny, tmp_path):
    accuracies = iter([0.3, 0.9])

    def validate(params, stats):
        value = next(accuracies, None)
        if value is None:
            raise Killed
        return value

    config = config_with(select="best")
    with pytest.raises(Killed):
        loop_in(tmp_path, tiny, config, validate).fit(tiny.params, tiny.batch_stats)
    outcome = loop_in(tmp_path, tiny, config, lambda *_: 0.6).fit(tiny.params, tiny.batch_stats)
    assert outcome.step == 12
    assert outcome.validation == pytest.approx(0.9)


def test_metrics_have_a_line_per_epoch(tiny, tmp_path):
    loop_in(tmp_path, tiny, config_with()).fit(tiny.params, tiny.batch_stats)
    lines = read_metrics(tmp_path / "metrics.jsonl")
    assert [line["step"] for line in lines] == [6, 12, 18]
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert all(line["validation"] == 0.5 for line in lines)
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tiny, tmp_path):
    start = (tiny.params, tiny.batch_stats)
    with pytest.raises(Killed):
        loop_in(tmp_path, tiny, config_with(), killed_at(2)).fit(*start)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    broken = config_with(optimizer=OptimizerConfig(learning_rate=1e30, schedule="constant"))
    with pytest.raises(NonFiniteLossError, match=r"step (7|8|9|10|11|12).*learning_rate"):
        loop_in(tmp_path, tiny, broken).fit(*start)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == kept == ["6"]


def test_weights_that_are_not_finite_are_never_the_result(tiny, tmp_path):
    config = config_with(
        duration="1it",
        optimizer=OptimizerConfig(learning_rate=3e38, weight_decay=1e6, schedule="constant"),
        validate_every="0ep",
    )
    loop = loop_in(tmp_path, tiny, config)
    loop.program = tiny.program(optimizer=config.optimizer, total_steps=1, steps_per_epoch=6)
    with pytest.raises(NonFiniteLossError, match="weights are not finite"):
        loop.fit(tiny.params, tiny.batch_stats)
    assert not list((tmp_path / "checkpoints").glob("[0-9]*"))


def test_a_run_without_checkpoints_writes_none(tiny, tmp_path):
    config = config_with(checkpoint_every="0ep", validate_every="0ep")
    outcome = loop_in(tmp_path, tiny, config).fit(tiny.params, tiny.batch_stats)
    assert outcome.validation is None
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["events.jsonl", "metrics.jsonl", "throughput.jsonl"]
