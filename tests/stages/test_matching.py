"""What tickets of a study match, on cells whose verdicts can be read off."""

import json

import pytest
from pydantic import TypeAdapter

from rtickets.attacks.pgd_settings import PgdSettings
from rtickets.config import (
    DataConfig,
    DrawConfig,
    EvaluateConfig,
    ImpConfig,
    ObjectiveConfig,
    StudyConfig,
    TrainConfig,
    TransferConfig,
)
from rtickets.draw.controls import OTHER_WEIGHTS
from rtickets.stages.matching import inherits, matching, pairs_of
from rtickets.stages.matching_results import MatchingResult

PGD = ObjectiveConfig(name="pgd")
A, B = DataConfig(source="digits"), DataConfig(source="mnist5k")
LADDER = (0.2, 0.36, 0.488)
TRANSFERS = {
    "a": TransferConfig(data=A),
    "a_adv": TransferConfig(data=A, train=TrainConfig(objective=PGD)),
    "a_adv_sa": TransferConfig(data=A, train=TrainConfig(objective=PGD, select="best_clean")),
    "b": TransferConfig(data=B),
}
DRAWS = {
    "omp": DrawConfig(),
    "own": DrawConfig(criterion="snip", data=A),
    "new": DrawConfig(control="reinitialised"),
}
CONFIG = StudyConfig(
    seeds=(0, 1, 2), baseline="natural", objectives={"natural": ObjectiveConfig()}, draws=DRAWS,
    sparsities=LADDER, transfers=TRANSFERS,
    evaluate=EvaluateConfig(attacks={"pgd20": PgdSettings(num_steps=20)}),
)  # fmt: skip
SPREAD = (-0.125, 0.0, 0.125)  # of the dense network: its deviation is 0.125


def cells(scores, seeds=3):
    """Return cells of {(draw, transfer): {sparsity: (SA, RA)}}, dense ones at 0.75 and 0.5."""
    dense = {("dense", transfer): {0.0: (0.75, 0.5)} for transfer in TRANSFERS}
    return [
        {
            "seed": seed, "objective": "natural", "draw": draw, "sparsity": sparsity,
            "transfer": transfer,
            "clean": {"value": sa + (SPREAD[seed] if draw == "dense" and seeds > 1 else 0)},
            "attacks": {"pgd20": {"value": ra}},
        }
        for (draw, transfer), ladder in {**dense, **scores}.items()
        for sparsity, (sa, ra) in ladder.items()
        for seed in range(seeds)
    ]  # fmt: skip


def ladder(*sa, ra=(0.5, 0.5, 0.5)):
    return dict(zip(LADDER, zip(sa, ra, strict=True), strict=True))


def found_in(lines, **about):
    """Return {criterion: sparsity} of the lines about something."""
    own = [line for line in lines if all(line[k] == v for k, v in about.items())]
    return {line["criterion"]: line["sparsity"] for line in own}


def test_the_highest_matching_sparsity_of_a_ticket_and_task():
    found = matching(cells({("omp", "a"): ladder(0.75, 0.5, 0.625)}), CONFIG)
    lines = found["highest"]
    assert found_in(lines, draw="omp", transfer="a", metric="clean", against="dense") == {
        "strict": 0.2, "within_std": 0.488,
    }  # fmt: skip
    # RA of the dense network has no deviation here: all seeds are alike.
    assert found_in(lines, draw="omp", transfer="a", metric="pgd20", against="dense") == {
        "strict": 0.488, "within_std": 0.488,
    }  # fmt: skip
    (ticket,) = [t for t in found["tickets"] if t["sparsity"] == 0.36 and t["metric"] == "clean"]
    assert (ticket["mean"], ticket["dense_mean"], ticket["dense_std"]) == (0.5, 0.75, 0.125)
    assert (ticket["strict"], ticket["within_std"], ticket["own"]) == (False, False, None)


def test_winning_tickets_have_the_pretrained_weights():
    scores = {("omp", "a"): ladder(0.9, 0.9, 0.9), ("new", "a"): ladder(0.9, 0.9, 0.9)}
    found = {(line["draw"], line["winning"]) for line in matching(cells(scores), CONFIG)["highest"]}
    assert found == {("omp", True), ("new", False)}
    train = TrainConfig()
    inherited = {
        "0it": True, "0ep": True, "2ep": False, "best": False,
    }  # fmt: skip
    for rewind, expected in inherited.items():
        assert inherits(DrawConfig(method=ImpConfig(rewind=rewind), train=train)) is expected
    assert not inherits(DrawConfig(method=ImpConfig(start="random"), train=train))
    for control in OTHER_WEIGHTS:
        assert not inherits(DrawConfig(control=control))
    assert inherits(DrawConfig(control="mask_noise"))


def test_universal_against_dense_and_against_the_ticket_of_the_task_itself():
    scores = {
        ("omp", "a"): ladder(0.8, 0.7, 0.6), ("omp", "b"): ladder(0.8, 0.8, 0.2),
        ("own", "a"): ladder(0.9, 0.7, 0.5), ("own", "b"): ladder(0.0, 0.0, 0.0),
    }  # fmt: skip
    found = matching(cells(scores), CONFIG)
    about = {"draw": "omp", "metric": "clean"}
    both = found_in(found["universal"], against="dense", **about)
    assert both == {"strict": 0.2, "within_std": 0.36}
    assert {tuple(line["transfers"]) for line in found["universal"]} == {("a", "b")}
    own = found_in(found["highest"], transfer="a", against="own", **about)
    assert own == {"strict": 0.488, "within_std": 0.488}  # 0.6 to 0.5; they have no deviation
    # No ticket was drawn on b, so nothing can be said of all of them against their own.
    assert not found_in(found["universal"], against="own", **about)
    # A ticket is not compared with itself.
    assert not found_in(found["highest"], draw="own", transfer="a", against="own")
    assert found_in(found["highest"], draw="own", transfer="b", against="own") == {}


def test_a_double_win_is_in_sa_naturally_and_in_sa_and_ra_adversarially():
    scores = {
        ("omp", "a"): ladder(0.75, 0.75, 0.7),
        ("omp", "a_adv"): ladder(0.75, 0.7, 0.75, ra=(0.5, 0.5, 0.4)),
        ("omp", "a_adv_sa"): ladder(0.75, 0.75, 0.75, ra=(0.4, 0.4, 0.4)),
    }
    found = matching(cells(scores), CONFIG)["double_wins"]
    assert found_in(found, robust="a_adv", selected="best") == {"strict": 0.2, "within_std": 0.36}
    assert found_in(found, robust="a_adv_sa", selected="best_clean") == {
        "strict": None, "within_std": None,
    }  # fmt: skip
    (line,) = [f for f in found if f["robust"] == "a_adv" and f["criterion"] == "strict"]
    names = ("sa_sparsity", "robust_sa_sparsity", "ra_sparsity")
    assert [line[name] for name in names] == [0.36, 0.488, 0.36]
    assert (line["natural"], line["attack"], line["winning"]) == ("a", "pgd20", True)


def test_pairs_are_of_the_same_data_and_mode():
    assert pairs_of(CONFIG) == [("a", "a_adv"), ("a", "a_adv_sa")]


def test_one_seed_says_nothing_of_deviations():
    found = matching(cells({("omp", "a"): ladder(0.75, 0.5, 0.7)}, seeds=1), CONFIG)
    assert found_in(found["highest"], transfer="a", metric="clean") == {"strict": 0.2}


@pytest.mark.parametrize("failed", ["omp", "dense"])
def test_means_of_other_seeds_are_not_compared(failed):
    """The seed that failed may have been the worst one."""
    every = cells({("omp", "a"): ladder(0.75, 0.75, 0.7)})
    at = 0.36 if failed == "omp" else 0.0
    left = [
        one for one in every
        if (one["draw"], one["transfer"], one["sparsity"], one["seed"]) != (failed, "a", at, 2)
    ]  # fmt: skip
    found = matching(left, CONFIG)
    strict = {t["sparsity"]: t["strict"] for t in found["tickets"] if t["metric"] == "clean"}
    about = {"transfer": "a", "metric": "clean", "against": "dense"}
    if failed == "dense":
        assert set(strict.values()) == {None}
        assert found_in(found["highest"], **about) == {}
    else:
        assert strict == {0.2: True, 0.36: None, 0.488: False}
        assert found_in(found["highest"], **about) == {"strict": 0.2, "within_std": 0.488}
    assert TypeAdapter(MatchingResult).validate_python(found) == found


def test_results_are_what_json_gives_back_and_are_read():
    found = matching(cells({("omp", "a"): ladder(0.75, 0.5, 0.7)}), CONFIG)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert TypeAdapter(MatchingResult).validate_python(found) == found


def test_without_a_dense_network_there_is_nothing_to_match():
    only = [one for one in cells({("omp", "a"): ladder(0.75, 0.5, 0.7)}) if one["draw"] != "dense"]
    assert matching(only, CONFIG) == {}


@pytest.mark.parametrize(
    ("objective", "named"),
    [(ObjectiveConfig(), "'natural'"), (ObjectiveConfig(name="fast"), "'fast'")],
)
def test_weights_cannot_be_chosen_by_clean_inputs_where_that_says_nothing(objective, named):
    with pytest.raises(ValueError, match=f"select='best_clean'.*{named}"):
        TrainConfig(objective=objective, select="best_clean")
