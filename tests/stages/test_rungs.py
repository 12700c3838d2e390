"""Learning rates and weight decays chosen on validation: every rung is a training of its own."""

import json
import math
from importlib import import_module
from types import SimpleNamespace

import chex
import pytest

from rtickets import stages
from rtickets.config import ModelConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.costs import Setting
from rtickets.draw import Ticket
from rtickets.errors import FailedBeforeError, InputError, NonFiniteLossError, Preempted
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages import rungs
from rtickets.stages.registry import estimate
from rtickets.tasks import Headline
from rtickets.training.heads import HeadFit
from rtickets.training.selection import Outcome

TRAIN = TrainConfig(
    optimizer=OptimizerConfig(learning_rate=0.7, weight_decay=0.0, schedule="constant"),
    duration="8it", batch_size=8, statistics="frozen", validate_every="4it", checkpoint_every="2it",
)  # fmt: skip
RATES = (1e-6, 0.03, 0.3)
transfers = import_module("rtickets.stages.transfer")  # the package has a function of this name


def transfer(bench, folder="", **fields):
    config = TransferConfig(
        **{"data": bench.tasks["down"], "mode": "linear", "train": TRAIN, **fields}
    )
    return stages.transfer(config, bench.source, bench.workdir / folder, "x", one())


def one():
    return parallel.local_devices(1)


def at(rate, decay=0.0):
    return config_files.replace(TRAIN, optimizer__learning_rate=rate, optimizer__weight_decay=decay)


def weights(run):
    ticket = Ticket.load(run.source.ticket)
    return ticket.params, ticket.batch_stats


def test_every_rung_is_the_run_at_its_rate_and_the_best_is_chosen(bench):
    ladder = transfer(bench, learning_rates=RATES)
    result = ladder.result()
    alone = {rate: transfer(bench, "alone", train=at(rate)) for rate in RATES}
    for rung in result["rungs"]:
        single = alone[rung["learning_rate"]].result()
        assert (rung["validation"], rung["step"]) == (single["validation"], single["step"])
    values = {rung["learning_rate"]: rung["validation"] for rung in result["rungs"]}
    best = min(rate for rate in RATES if values[rate] == max(values.values()))
    assert (result["learning_rate"], result["weight_decay"]) == (best, 0.0)
    assert result["validation"] == values[best]
    chex.assert_trees_all_equal(weights(ladder), weights(alone[best]))
    entry = Ticket.load(ladder.source.ticket).meta["history"][-1]
    assert entry["train"]["optimizer"]["learning_rate"] == best
    assert list(entry["learning_rates"]) == list(RATES)


def test_of_equals_the_smaller_rate_is_chosen_and_its_place_at_the_end_is_said(bench, capsys):
    result = transfer(bench, learning_rates=(3e-9, 1e-9)).result()
    assert len({rung["validation"] for rung in result["rungs"]}) == 1
    assert result["learning_rate"] == 1e-9
    (line,) = result["ladder_ends"]
    assert "learning_rate=1e-09 is the smallest" in line
    assert line in capsys.readouterr().err


def test_both_ladders_are_trained_in_pairs(bench):
    result = transfer(bench, learning_rates=(0.01, 0.1), weight_decays=(0.0, 0.1)).result()
    found = [(rung["learning_rate"], rung["weight_decay"]) for rung in result["rungs"]]
    assert found == [(0.01, 0.0), (0.01, 0.1), (0.1, 0.0), (0.1, 0.1)]


def test_a_run_that_was_killed_in_its_third_rung_goes_on_there(bench, monkeypatch):
    whole = transfer(bench, "whole", learning_rates=RATES)
    trained = []

    class Killed(Exception):
        pass

    def dies(run, *arguments, **options):
        trained.append(run.config.optimizer.learning_rate)
        if len(trained) == 3:
            short = config_files.replace(run.config, duration="5it")
            train_network(run._replace(config=short), *arguments, **options)
            raise Killed
        return train_network(run, *arguments, **options)

    train_network = transfers.train_network
    monkeypatch.setattr(transfers, "train_network", dies)
    with pytest.raises(Killed):
        transfer(bench, "killed", learning_rates=RATES)
    again = transfer(bench, "killed", learning_rates=RATES)
    assert trained == [*RATES, RATES[2]]
    assert again.result() == whole.result()
    chex.assert_trees_all_equal(weights(again), weights(whole))
    for rung in TransferConfig(train=TRAIN, learning_rates=RATES).rungs:
        files = [
            run.path / "rungs" / rungs.name_of(rung) / "metrics.jsonl" for run in (again, whole)
        ]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_rung_that_diverges_is_said_and_not_chosen(bench):
    run = transfer(bench, learning_rates=(0.03, 3e38))
    first, second = run.result()["rungs"]
    assert run.result()["learning_rate"] == 0.03
    assert "validation" in first
    assert "step" in second["failed"]
    with pytest.raises(NonFiniteLossError, match="every rung"):
        transfer(bench, learning_rates=(2e38, 3e38))
    assert len(list(bench.workdir.rglob("rung.json"))) == 2  # those of the first run
    with pytest.raises(FailedBeforeError, match="every rung"):
        transfer(bench, learning_rates=(2e38, 3e38))


def test_a_lower_loss_is_better_where_the_headline_says_so():
    results = [{"validation": 3.0}, {"failed": "x"}, {"validation": 1.0}, {"validation": 1.0}]
    assert rungs.best_of(results, Headline("loss", higher_is_better=False)) == 2
    assert rungs.best_of(results, Headline("loss")) == 0
    assert rungs.best_of([{"failed": "x"}], Headline("loss")) is None


def test_a_validation_that_is_no_number_is_chosen_in_no_way_of_training(tmp_path, capsys):
    """Heads that are trained together are judged as trainings one after the other are."""
    config = TransferConfig(train=TRAIN, learning_rates=(0.1, 0.2))
    headline = Headline("mse", higher_is_better=False)
    run = SimpleNamespace(folder=tmp_path, called="x", task=SimpleNamespace(headline=headline))
    fits = [
        HeadFit(Outcome({}, {}, 8, validation, None, 1.0, 1.0), [], None)
        for validation in (math.nan, 0.5)
    ]
    written = []
    result = rungs.write_rungs(config, run, fits, lambda rung, outcome: written.append(rung))
    assert result["learning_rate"] == 0.2
    assert [rung.learning_rate for rung in written] == [0.2]
    assert "nan" in result["rungs"][0]["failed"]
    assert "learning_rate=0.1 weight_decay=0: validation is nan" in capsys.readouterr().err


def test_a_decay_of_zero_is_no_end_of_a_ladder():
    config = TransferConfig(train=TRAIN, weight_decays=(0.0, 1e-4, 1e-3))
    low, middle, high = config.rungs
    assert rungs.at_ends(config, low) == rungs.at_ends(config, middle) == []
    (line,) = rungs.at_ends(config, high)
    assert "weight_decay=0.001 is the largest" in line


def test_a_dry_run_counts_every_rung():
    small = Setting(ModelConfig(width=0.0625))
    plain = TransferConfig(mode="linear", train=TRAIN)
    ladder = config_files.replace(plain, learning_rates=(0.1, 0.2, 0.3), weight_decays=(0.0, 1e-4))
    (single,), (several,) = estimate(plain, small), estimate(ladder, small)
    assert several.operations == 6 * single.operations
    assert several.memory == single.memory
    assert "6 trainings" in " ".join(several.about)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"learning_rates": (0.1,)}, "train.optimizer"),
        ({"learning_rates": (0.1, 0.1)}, "more than once"),
        ({"learning_rates": (0.0, 0.1)}, r"learning_rates\.0=0\.0"),
        ({"weight_decays": (-1.0, 0.1)}, r"weight_decays\.0=-1\.0"),
        ({"learning_rates": (0.1, 0.2), "train": {"validate_every": "0ep", "select": "last"}},
         "validate_every='0ep'"),
    ],
)  # fmt: skip
def test_what_is_no_ladder_is_refused(fields, named):
    with pytest.raises(InputError, match=named):
        config_files.parse(TransferConfig, fields)


def test_an_order_is_no_other_ladder():
    assert TransferConfig(learning_rates=(0.3, 0.1)) == TransferConfig(learning_rates=(0.1, 0.3))


def test_being_asked_to_stop_ends_no_rung(bench, monkeypatch):
    def stops(*arguments, **options):
        raise Preempted

    monkeypatch.setattr(transfers, "train_network", stops)
    with pytest.raises(Preempted):
        transfer(bench, learning_rates=RATES)
    assert not list(bench.workdir.rglob("rung.json"))
    monkeypatch.undo()


def test_the_results_of_rungs_are_small_files(bench):
    run = transfer(bench, learning_rates=RATES)
    stored = [json.loads(path.read_text()) for path in run.path.glob("rungs/*/rung.json")]
    assert len(stored) == 3
    assert not list(run.path.glob("rungs/*/checkpoints"))
