"""Signs that a network is broken: at chance before and after recalibration, dead outputs."""

import dataclasses

import jax
import numpy as np
import pytest

from rtickets import cli, stages
from rtickets.config import EvaluateConfig, TransferConfig
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.evaluation.recalibration import RecalibrateConfig
from rtickets.platform import parallel
from rtickets.runs.folders import StartingTicket
from rtickets.stages.draw_settings import CheckConfig, DrawConfig
from rtickets.stages.results import with_signs_of_draw
from rtickets.stages.soundness import at_chance, chance_signs
from rtickets.tasks import Classification, Headline

ACCURACY, ERROR = Headline("accuracy", "share"), Headline("error", "kg", False)
HOW = RecalibrateConfig(2, 16)


def value(low, found, high, chance=0.1):
    return {"low": low, "value": found, "high": high, "chance": chance}


@pytest.mark.parametrize(
    ("headline", "found", "said"),
    [
        (ACCURACY, value(0.08, 0.1, 0.12), True),
        (ACCURACY, value(0.10, 0.12, 0.14), True),
        (ACCURACY, value(0.0, 0.01, 0.02), True),
        (ACCURACY, value(0.11, 0.12, 0.14), False),
        (ACCURACY, value(0.08, 0.1, 0.12, None), False),
        (ERROR, value(1.0, 2.0, 3.0, 2.5), True),
        (ERROR, value(1.0, 2.0, 3.0, 3.5), False),
    ],
)
def test_at_chance_is_what_the_interval_does_not_tell_from_it(headline, found, said):
    assert at_chance(headline, found) == said
    assert at_chance(headline, {k: v for k, v in found.items() if k != "chance"}) is False
    assert bool(chance_signs(headline, found, None, None)) == said


def test_a_line_says_what_recalibration_brings_or_does_not():
    (line,) = chance_signs(ACCURACY, value(0.08, 0.1, 0.12), value(0.3, 0.4, 0.5), HOW)
    for said in ("10.0% [8.0%, 12.0%]", "chance, 10.0%", "40.0%", "2 batches of 16", "recalibrate"):
        assert said in line
    (line,) = chance_signs(ACCURACY, value(0.08, 0.1, 0.12), value(0.05, 0.11, 0.2), HOW)
    assert "11.0%; the network is broken" in line
    # The one interval holds chance just so and the other just not: nothing was mended.
    (line,) = chance_signs(ACCURACY, value(0.099, 0.11, 0.12), value(0.101, 0.112, 0.122), HOW)
    assert "11.2%; the network is broken" in line
    (line,) = chance_signs(ERROR, value(1.0, 2.0, 3.0, 2.5), value(1.1, 1.9, 2.4, 2.5), HOW)
    assert "the network is broken" in line
    (line,) = chance_signs(ERROR, value(1.0, 2.0, 3.0, 2.5), value(0.1, 0.2, 0.3, 2.5), HOW)
    assert "recalibrate" in line
    (line,) = chance_signs(ACCURACY, value(0.08, 0.1, 0.12), None, None)
    assert "no other normalisation statistics" in line


def test_chance_is_the_largest_class_or_one_class_of_the_balanced_metric():
    batch = {"label": np.repeat([0, 1, 4], [6, 3, 1])}
    assert Classification().chance(batch) == 0.6
    assert Classification(metric="balanced").chance(batch) == pytest.approx(1 / 3)


# --- in stages ------------------------------------------------------------------------------------


@pytest.fixture
def changed(bench):
    """Return the dense network with other parts."""

    def make(name, **parts):
        ticket = dataclasses.replace(bench.dense, **parts)
        ticket.save(bench.workdir / name)
        return StartingTicket(bench.workdir / name, name)

    return make


@pytest.fixture
def trained(bench, changed):
    """A network that has learnt its task, by a head on what its backbone finds."""
    run = stages.transfer(
        TransferConfig(
            data=bench.tasks["up"],
            train=bench.train(duration="60it", batch_size=16, optimizer__weight_decay=0.0),
        ),
        bench.source, bench.workdir, "up", parallel.local_devices(1),
    )  # fmt: skip
    return run.source


def evaluated(bench, source, **fields):
    config = EvaluateConfig(**fields)
    return stages.evaluate(config, source, bench.workdir, "x", parallel.local_devices(1)).result()


def with_parts(bench, source, name, **parts):
    dataclasses.replace(Ticket.load(source.ticket), **parts).save(bench.workdir / name)
    return StartingTicket(bench.workdir / name, name)


def test_evaluations_say_what_is_at_chance_and_whether_recalibration_helps(bench, trained, capfd):
    ticket = Ticket.load(trained.ticket)
    result = evaluated(bench, trained)
    assert result["clean"]["chance"] == pytest.approx(20 / 60)
    assert result["clean"]["low"] > 0.34
    assert "broken" not in result
    capfd.readouterr()
    far = jax.tree.map(lambda leaf: leaf + 1e3, ticket.batch_stats)
    stale = evaluated(bench, with_parts(bench, trained, "stale", batch_stats=far))
    (sign,) = stale["broken"]
    assert "recalibrate it" in sign
    assert sign in capfd.readouterr().err
    head = jax.tree.map(np.zeros_like, ticket.params["head"])
    params = {**ticket.params, "head": head}
    (sign,) = evaluated(bench, with_parts(bench, trained, "lost", params=params))["broken"]
    assert "the network is broken" in sign


def test_a_draw_runs_its_ticket_where_it_is_asked_to(bench, trained, capfd):
    check = CheckConfig(batches=2, batch_size=16, examples=20)
    sound = bench.draw(source=trained, sparsity=0.1, check=check).result()
    assert set(sound["check"]) == {"value", "recalibrated", "constant_outputs", "outputs"}
    assert sound["check"]["value"]["examples"] <= 20
    assert sound["check"]["constant_outputs"] < sound["check"]["outputs"] / 2
    assert "check" not in bench.draw(source=trained, sparsity=0.1).result()
    capfd.readouterr()
    run = bench.draw(source=trained, sparsity=0.999, check=check)
    result, said = run.result(), capfd.readouterr().err
    assert any("not better than chance" in sign for sign in result["broken"])
    assert any("the same for every image" in sign for sign in result["broken"])
    assert set(result["broken"]) <= set(result["notes"])
    assert all(f"{run.path.name}: {sign}\n" in said for sign in result["broken"])


def test_every_way_of_drawing_can_be_checked(bench):
    check = CheckConfig(batches=1, batch_size=16, examples=10)
    ways = [{"method": "imp"}, {"method": "lmp", "scope": "uniform"}, {"control": "random"}]
    for way in ways:
        found = bench.draw(sparsity=0.2, check=check, **way).result()["check"]
        assert found["value"]["examples"] <= 10


def test_a_fresh_head_is_not_checked():
    with pytest.raises(ValueError, match="check"):
        DrawConfig(control="reinitialised", check=CheckConfig())


def test_a_draw_without_a_head_to_check_fails_first(bench, changed):
    meta = {**bench.dense.meta, "class_names": []}
    source = changed("headless", meta=meta)
    with pytest.raises(InputError, match="without a head"):
        bench.draw(source=source, check=CheckConfig())


def test_the_check_is_an_option_of_the_command(bench, capsys):
    words = [
        f"--config.ticket={bench.source.ticket}", f"--workdir={bench.workdir}",
        "--config.sparsity=0.2", "--config.check.examples=10", "--config.check.batch_size=16",
        "--config.check.batches=1",
    ]  # fmt: skip
    assert cli.main(["draw", *words]) == 0
    (run,) = bench.workdir.glob("draw-omp0.2-*")
    assert '"check"' in (run / "result.json").read_text()


def test_a_study_has_the_notes_of_the_draw_before_the_signs_of_the_evaluation():
    drawn = {"survivors": 3, "notes": ["all 9 score 0", "empty"], "broken": ["empty"]}
    found = with_signs_of_draw({"clean": {}, "broken": ["at chance"]}, drawn)
    assert found == {"clean": {}, "broken": ["all 9 score 0", "empty", "at chance"]}
    assert with_signs_of_draw({"clean": {}}, {"step": 3}) == {"clean": {}}
