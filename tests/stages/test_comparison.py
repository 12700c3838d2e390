import json
import math

import numpy as np
import pytest
from scipy import stats

from rtickets.errors import InputError
from rtickets.evaluation.outcomes import Outcome, keep_outcome
from rtickets.report.cells import gain_text
from rtickets.stages.comparison import GAIN_FIELDS, all_gains, family_lines, gains_of, is_clear
from rtickets.stages.points import Point, further_of


def cell(seed, objective, value, draw="omp", transfer="linear", **measures):
    headline = {"value": value, "unit": "share", "higher_is_better": True}
    others = {name: {**headline, "value": each} for name, each in measures.items()}
    return {
        "seed": seed, "objective": objective, "draw": draw, "sparsity": 0.9, "transfer": transfer,
        "clean": {"value": value}, "attacks": {}, "measures": others,
        "evaluation": f"evaluate-{objective}-{draw}-{transfer}-{seed}",
    }  # fmt: skip


def pairs_of(rights):
    """Return cells, and what became of their examples, of {(seed, objective): bool (N,)}."""
    cells = [cell(seed, objective, right.mean()) for (seed, objective), right in rights.items()]
    outcomes = {
        one["evaluation"]: Outcome(right, None, 7)
        for one, right in zip(cells, rights.values(), strict=True)
    }
    return cells, lambda one, metric: outcomes[one["evaluation"]]


def random_answers(seeds=3, examples=400, better=0.1):
    generator = np.random.default_rng(0)
    shares = {"natural": 0.6, "robust": 0.6 + better}
    return {
        (seed, objective): generator.random(examples) < share
        for seed in range(seeds)
        for objective, share in shares.items()
    }


def test_a_gain_with_all_that_is_known_by_hand():
    rights = random_answers()
    (gain,) = gains_of(*_with(pairs_of(rights)))
    each = np.stack([rights[s, "robust"].astype(float) - rights[s, "natural"] for s in range(3)])
    assert set(gain) == {*Point._fields, *GAIN_FIELDS}
    assert gain["gain"] == pytest.approx(each.mean())
    assert gain["gain_std"] == pytest.approx(each.mean(1).std(ddof=1))
    assert gain["gain_error_seeds"] == pytest.approx(stats.sem(each.mean(1)))
    assert gain["gain_error_examples"] == pytest.approx(stats.sem(each.mean(0)), rel=0.01)
    over_seeds = stats.t.ppf(0.975, 2) * gain["gain_error_seeds"]
    over_examples = stats.t.ppf(0.975, 401) * gain["gain_error_examples"]
    half = np.hypot(over_seeds, over_examples)
    assert gain["gain_high"] - gain["gain"] == pytest.approx(half)
    assert gain["gain"] - gain["gain_low"] == pytest.approx(half)
    assert gain["gain_over"] == "seeds and examples"
    assert json.loads(json.dumps(gain, allow_nan=False)) == gain


def _with(found):
    cells, outcome_of = found
    return cells, "natural", _metrics, outcome_of


def _metrics(cell):
    return {"clean": {**cell["clean"], "unit": "share"}}


def test_one_seed_has_the_interval_over_examples_and_says_so():
    (gain,) = gains_of(*_with(pairs_of(random_answers(seeds=1))))
    assert (gain["gain_over"], gain["gain_std"]) == ("examples", None)
    assert gain["gain_error_seeds"] is None
    assert is_clear(gain)
    (gain,) = gains_of(*_with(pairs_of(random_answers(seeds=1, better=0.01))))
    assert not is_clear(gain)


def test_measures_without_outcomes_take_their_own_intervals_as_of_other_examples():
    halves = {("natural", 0): 0.02, ("robust", 0): 0.03, ("natural", 1): 0.06, ("robust", 1): 0.08}
    cells = []
    for (objective, seed), half in halves.items():
        one = cell(seed, objective, 0.5 + 0.1 * (objective == "robust") + 0.01 * seed * half)
        value = one["clean"]["value"]
        one["clean"] |= {"low": value - half, "high": value + half / 2}
        cells.append(one)
    (gain,) = gains_of(cells, "natural")
    assert gain["gain_over"] == "seeds and examples"
    own = (math.hypot(0.02, 0.03) + math.hypot(0.06, 0.08)) / 2
    assert gain["gain_error_examples"] == pytest.approx(own / 1.959964, rel=1e-6)
    (alone,) = gains_of(cells[:2], "natural")
    assert alone["gain_over"] == "examples"
    assert alone["gain_high"] - alone["gain"] == pytest.approx(math.hypot(0.02, 0.03), rel=1e-6)


def test_without_outcomes_there_is_the_interval_over_seeds():
    cells, _ = pairs_of(random_answers())
    (gain,) = gains_of(cells, "natural")
    assert (gain["gain_over"], gain["gain_error_examples"]) == ("seeds", None)
    (gain,) = gains_of([one for one in cells if one["seed"] == 0], "natural")
    assert (gain["gain_over"], gain["gain_low"], gain["gain_p"]) == ("nothing", None, None)
    assert not is_clear(gain)


def test_outcomes_of_some_seeds_alone_make_no_interval_over_examples():
    cells, outcome_of = pairs_of(random_answers())

    def of_two(one, metric):
        return outcome_of(one, metric) if one["seed"] < 2 else None

    (gain,) = gains_of(cells, "natural", outcome_of=of_two)
    assert gain["gain_over"] == "seeds"


def test_branches_that_answered_other_examples_are_no_pair():
    cells, outcome_of = pairs_of(random_answers())

    def other(one, metric):
        return outcome_of(one, metric)._replace(asked=len(one["objective"]))

    with pytest.raises(InputError, match=r"linear, omp, sparsity 0\.9, seed 0.*different examples"):
        gains_of(cells, "natural", outcome_of=other)


def test_an_interval_of_shares_stays_within_what_shares_can_differ_by():
    values = {(0, "natural"): 0.1, (1, "natural"): 0.2, (0, "robust"): 0.9, (1, "robust"): 0.3}
    (gain,) = gains_of([cell(s, o, value) for (s, o), value in values.items()], "natural")
    assert (gain["gain_low"], gain["gain_high"]) == (-1, 1)


def test_a_gain_is_clear_as_its_interval_or_p_says():
    for better in (0.0, 0.02, 0.05, 0.1, 0.2):
        (gain,) = gains_of(*_with(pairs_of(random_answers(better=better))))
        assert is_clear(gain) == (gain["gain_p"] < 0.05)


def test_p_values_are_adjusted_for_all_gains_of_a_metric():
    cells = []
    for transfer, better in (("a", 0.01), ("b", 0.2), ("c", 0.05)):
        for seed in (0, 1, 2):
            noise = (0.0, 0.004, 0.001)[seed]
            cells.append(cell(seed, "natural", 0.5, transfer=transfer, ece=0.1))
            robust = cell(seed, "robust", 0.5 + better + noise, transfer=transfer, ece=0.2 + noise)
            cells.append(robust)
    gains = gains_of(cells, "natural")
    p = sorted(gain["gain_p"] for gain in gains)
    adjusted = sorted(gain["gain_p_holm"] for gain in gains)
    assert adjusted[0] == pytest.approx(3 * p[0])
    assert adjusted[-1] == pytest.approx(max(p[-1], 2 * p[-2], 3 * p[-3]))
    titled = [{**gain, "title": "accuracy"} for gain in gains]
    (line,) = family_lines(titled)
    clear = sum(map(is_clear, gains))
    together = sum(gain["gain_p_holm"] < 0.05 for gain in gains)
    assert f"3 gains with 95% intervals over seeds; {clear} exclude 0, {together} also" in line
    further = gains_of(cells, "natural", further_of)
    assert {gain["metric"] for gain in further} == {"ece"}
    assert len(further) == 3


def test_all_gains_read_what_evaluations_kept(tmp_path):
    rights = random_answers(seeds=2)
    cells = [cell(s, o, right.mean(), ece=0.1 + s) for (s, o), right in rights.items()]
    for one, right in zip(cells, rights.values(), strict=True):
        keep_outcome(tmp_path / one["evaluation"], "clean", Outcome(right, None, 3))
    folders = {one["evaluation"]: tmp_path / one["evaluation"] for one in cells}
    clean, ece = all_gains(cells, "natural", folders)
    assert (clean["metric"], clean["gain_over"]) == ("clean", "seeds and examples")
    assert (ece["metric"], ece["gain"], ece["gain_over"]) == ("ece", 0, "nothing")


def test_a_result_that_somebody_made_up_lacks_parts_and_breaks_nothing():
    gain = {"gain": 0.1, "gain_p": 0.01, "gain_p_holm": None, "gain_low": None, "gain_high": 0.2}
    gain |= {"title": "accuracy", "unit": "share", "gain_over": "seeds"}
    assert family_lines([gain]) == []
    assert not is_clear(gain)
    assert gain_text(gain) == "+10.0"


def test_equal_gains_are_no_interval_of_no_width_where_they_differ_by_rounding():
    values = {(0, "natural"): 0.6, (1, "natural"): 0.7, (0, "robust"): 0.7, (1, "robust"): 0.8}
    (gain,) = gains_of([cell(s, o, value) for (s, o), value in values.items()], "natural")
    assert (gain["gain_over"], gain["gain_low"], gain["gain_p"]) == ("nothing", None, None)


def test_the_number_of_comparisons_is_that_which_p_values_are_adjusted_for():
    """Of one metric, also where tasks call it differently."""
    cells = []
    for transfer in ("digits", "scenes"):
        for seed in (0, 1, 2):
            cells.append(cell(seed, "natural", 0.5, transfer=transfer))
            cells.append(cell(seed, "robust", 0.6 + 0.02 * seed, transfer=transfer))
    titles = {"digits": "accuracy", "scenes": "mean IoU"}
    gains = [{**gain, "title": titles[gain["transfer"]]} for gain in gains_of(cells, "natural")]
    assert gains[0]["gain_p_holm"] == pytest.approx(2 * gains[0]["gain_p"])
    (line,) = family_lines(gains)
    assert "accuracy and mean IoU: 2 gains" in line
    assert "adjusted for 2 comparisons" in line
