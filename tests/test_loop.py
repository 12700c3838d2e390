import numpy as np
import pytest

from rtickets.config import OptimizerConfig, TrainConfig
from rtickets.errors import InputError, NonFiniteLossError
from rtickets.feed import batch_indices, steps_per_epoch
from rtickets.loop import Loop
from rtickets.metrics import read_metrics


def config_with(**changes):
    fields = {
        "optimizer": OptimizerConfig(learning_rate=0.05, schedule="constant"),
        "duration": "3ep",
        "batch_size": 8,
        "select": "last",
        "validate_every": "1ep",
        "checkpoint_every": "1ep",
    }
    return TrainConfig(**{**fields, **changes})


def loop_in(folder, tiny, config, validate=lambda params, stats: 0.5):
    folder.mkdir(exist_ok=True)
    program = tiny.program(
        optimizer=config.optimizer, total_steps=18, steps_per_epoch=6, batch_size=config.batch_size
    )
    return Loop(program, config, tiny.split, tiny.mask, validate, folder, "test")


def arrays(outcome):
    return [np.asarray(leaf) for leaf in outcome.params["stem_conv"].values()] + [
        np.asarray(outcome.params["head"]["kernel"])
    ]


class Killed(Exception):
    """What the tests stop a run with."""


def killed_at(validation):
    calls = []

    def validate(params, stats):
        calls.append(0)
        if len(calls) == validation:
            raise Killed
        return 0.5

    return validate


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
    assert written == ["metrics.jsonl", "throughput.jsonl"]


def test_every_epoch_sees_every_example_once():
    indices = batch_indices(20, 4, seed=3, start=0, stop=10).reshape(2, 20)
    for epoch in indices:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(20))
    assert (indices[0] != indices[1]).any()


def test_any_part_of_the_order_can_be_made_alone():
    whole = batch_indices(23, 4, seed=3, start=0, stop=17)
    parts = [batch_indices(23, 4, seed=3, start=a, stop=b) for a, b in ((0, 3), (3, 11), (11, 17))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (batch_indices(23, 4, seed=4, start=0, stop=17) != whole).any()


def test_a_batch_larger_than_the_data_is_named():
    with pytest.raises(InputError, match="batch_size=64 exceeds the 10"):
        steps_per_epoch(10, 64)
