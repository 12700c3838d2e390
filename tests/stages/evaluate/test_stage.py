"""The stage: every attack, everything at once, killed, of earlier names."""

import json

import numpy as np
import pytest

from rtickets import evaluation, models
from rtickets.attacks.ensemble import legs
from rtickets.config import AttackConfig, EvaluateConfig, SmoothingConfig
from rtickets.draw import Ticket
from rtickets.evaluation import robustness
from rtickets.runs import run_identity
from rtickets.runs.folders import run_at
from rtickets.settings import config_files
from rtickets.stages import results
from tests.stages.evaluate.conftest import CLEAN, RUN_AS

PGD = AttackConfig(eps=0.05, num_steps=3)
FEW = {"attack_examples": 12, "batch_size": 32, "honesty_examples": 0}


def strict_json(path):
    """Read a result, which must also pass for one of the stage where others read it."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    results.read_evaluation(run_at(path.parent, "evaluate"))
    return json.loads(path.read_text(), parse_constant=refuse)


ATTACKS = {
    "pgd": PGD,
    "fgsm": AttackConfig(name="fgsm", eps=0.05),
    "fgsm_rs": AttackConfig(name="fgsm_rs", eps=0.05),
    "segpgd": config_files.replace(AttackConfig(name="segpgd", eps=0.05), num_steps=PGD.num_steps),
    "apgd_ce": AttackConfig(name="apgd_ce", eps=0.05, num_steps=5),
    "apgd_dlr": AttackConfig(name="apgd_dlr", norm="l2", eps=0.5, num_steps=5),
    "apgd_t": AttackConfig(name="apgd_t", norm="l1", eps=2.0, num_steps=5),
    "pgd_t": AttackConfig(name="pgd_t", eps=0.05, num_steps=3, num_targets=2),
    "fab": AttackConfig(name="fab", eps=0.05, num_steps=5, restarts=2),
    "fab_t": AttackConfig(name="fab_t", eps=0.05, num_steps=5),
    "square": AttackConfig(name="square", eps=0.05, num_steps=30),
    "autoattack": AttackConfig(name="autoattack", eps=0.6),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_can_be_evaluated(name, evaluate):
    assert set(ATTACKS) == set(AttackConfig.entries)
    run = evaluate(EvaluateConfig(attacks={"mine": ATTACKS[name]}, **FEW))
    result = strict_json(run.path / "result.json")
    assert list(result) == [*CLEAN, "attacks", "honesty"]
    assert result["clean"]["examples"] == 30
    measured = result["attacks"]["mine"]
    assert measured["examples"] == 12
    rows = measured["runs"]
    assert [row["attack"] for row in rows] == RUN_AS.get(name, [name])
    clean = rows[0]["attacked"]
    assert clean >= 8
    assert measured["correct"] == clean - sum(row["fooled"] for row in rows) < clean
    assert measured["recomputed"]["correct"] == measured["correct"]
    assert [point["eps"] for point in measured["curve"]] == [ATTACKS[name].eps]
    bad = [each["check"] for each in result["honesty"]["findings"] if not each["passed"]]
    assert bad == (["weak attack"] if name in ("fgsm", "fgsm_rs", "square") else [])
    assert result["honesty"]["passed"] is (False if bad else None)  # no verdict was asked for
    assert sorted(path.name for path in run.path.iterdir()) == [
        "COMPLETE",
        "config.json",
        "environment.json",
        "network.json",
        "outcomes",
        "result.json",
    ]


def test_everything_in_one_evaluation(evaluate, network, tiny):
    config = EvaluateConfig(
        attacks={
            "pgd": config_files.replace(PGD, radii=(0.0, 0.1)),
            "larger": config_files.replace(PGD, eps=0.1),
        },
        smoothing=SmoothingConfig(
            sigma=0.1, selection_samples=16, samples=128, alpha=0.01, examples=10, batch_size=64
        ),
        save_images=True,
        batch_size=32,
        honesty_examples=16,
    )
    run = evaluate(config)
    result = strict_json(run.path / "result.json")
    assert list(result) == [*CLEAN, "attacks", "honesty", "certified"]
    curve = [point["value"] for point in result["attacks"]["pgd"]["curve"]]
    assert curve[0] == result["clean"]["value"]
    assert curve == sorted(curve, reverse=True)
    assert curve[1] == result["attacks"]["pgd"]["value"] < curve[0]
    about = {finding["about"] for finding in result["honesty"]["findings"]}
    assert about == {"pgd", "larger", "model, linf"}
    assert result["attacks"]["larger"]["value"] == curve[2]
    certified = [point["value"] for point in result["certified"]["curve"]]
    assert certified == sorted(certified, reverse=True)
    assert certified[0] > 0.5 > certified[-1]
    assert result["certified"]["curve"][0]["examples"] == 10
    with np.load(run.path / "adversarial_pgd.npz") as saved:
        x_adv, labels = saved["x_adv"], saved["labels"]
    with np.load(network.parent / "task.npz") as task:
        x = task["x_test"].astype(np.float32) / 255
    assert np.abs(x_adv - x).max() <= PGD.eps + 1e-6
    ticket = Ticket.load(network)
    logits = models.logits(tiny.model, ticket.params, ticket.batch_stats, x_adv)
    right = evaluation.is_correct(np.asarray(logits), labels)
    recomputed = evaluation.measure("accuracy", right, labels)
    assert recomputed._asdict().items() <= result["attacks"]["pgd"].items()
    assert (run.path / "adversarial_larger.npz").is_file()


def test_a_killed_evaluation_goes_on_where_it_was(evaluate, tmp_path, monkeypatch):
    smoothing = SmoothingConfig(
        selection_samples=8, samples=32, alpha=0.1, examples=4, batch_size=64
    )
    attacks = {"pgd": PGD, "fab": ATTACKS["fab_t"]}
    config = EvaluateConfig(attacks=attacks, smoothing=smoothing, **FEW)
    expected = evaluate(config, "whole").result()
    evaluations = []
    work = legs.work

    def kill(*arguments, **options):
        raise KeyboardInterrupt

    def counted(*arguments):
        evaluations.append(None)
        return work(*arguments)

    for killed_in in ("_findings", "measure_certified"):
        with monkeypatch.context() as patch:
            patch.setattr(robustness, killed_in, kill)
            with pytest.raises(KeyboardInterrupt):
                evaluate(config)
        (folder,) = (tmp_path / "runs").iterdir()
        assert not (folder / "COMPLETE").exists()
        states = [path.name for path in sorted((folder / "attacks").glob("*/attack.npz"))]
        assert len(states) == {"_findings": 1, "measure_certified": 2}[killed_in]
    monkeypatch.setattr(legs, "work", counted)
    run = evaluate(config)
    assert evaluations == []
    assert run.result() == expected
    assert not (run.path / "attacks").exists()


def test_a_kill_between_the_result_and_the_clearing_up_leaves_nothing(evaluate):
    run = evaluate(EvaluateConfig())
    (run.path / "attacks" / "pgd-0.1").mkdir(parents=True)
    assert evaluate(EvaluateConfig()) == run
    assert not (run.path / "attacks").exists()


def test_new_fields_leave_the_names_of_old_runs(evaluate):
    assert run_identity.digest(EvaluateConfig()) == run_identity.digest(
        EvaluateConfig(honesty_examples=64, save_images=False, smoothing=None)
    )
    run = evaluate(EvaluateConfig())
    assert list(run.result()) == [*CLEAN, "attacks"]
