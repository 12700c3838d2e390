"""What is found out about attacks, and whether a network is trusted."""

import json

import pytest

from rtickets.config import AttackConfig, SmoothingConfig
from rtickets.evaluation import robustness
from rtickets.evaluation.certified import measure_certified
from rtickets.evaluation.robustness import (
    _findings,
)
from rtickets.settings import config_files
from rtickets.tasks import Classification
from tests.evaluation.robustness.conftest import (
    EPS,
    PGD,
    evaluation,
    failed,
    found,
    measure,
    robust_share,
    subject_of,
)


@pytest.mark.parametrize(
    ("outcome", "curve", "checks", "bad"),
    [
        (found("pgd", by=[("pgd", 100)]), {0.1: 0.9}, 1, []),
        (found("pgd", differ=2), {0.1: 1.0}, 1, []),
        (found("pgd", differ=3), {0.1: 1.0}, 1, ["recomputed"]),
        (found("pgd"), {0.1: 0.5, 0.2: 0.501}, 2, []),
        (found("pgd"), {0.1: 0.5, 0.2: 0.503}, 2, ["accuracy over eps"]),
        (found("apgd_ce", "square", by=[("apgd_ce", 500), ("square", 2)]), {}, 2, []),
        (found("apgd_ce", "square", by=[("apgd_ce", 500), ("square", 3)]), {}, 2, ["black box"]),
        (found("square", by=[("square", 300)]), {}, 1, []),
        (found("apgd_ce", "square", "apgd_t", by=[("square", 300)]), {}, 1, []),
        (found("pgd", broken=20), {}, 2, []),
        (found("pgd", broken=21), {}, 2, ["non-finite gradients"]),
    ],
    ids=[
        "fine", "recomputed alike", "recomputed otherwise", "flat", "rising", "square finds few",
        "square finds more", "square alone", "gradients may find the same", "few broken gradients",
        "more broken gradients",
    ],
)  # fmt: skip
def test_results_are_examined(outcome, curve, checks, bad):
    findings = _findings(outcome, curve, random=False)
    assert len(findings) == checks
    assert failed(findings) == bad
    assert all(finding.passed or ": " in finding.message for finding in findings)


def test_a_network_that_hides_nothing_is_trusted(tmp_path):
    result = evaluation(tmp_path, attacks={"pgd": PGD}, honesty_examples=16)
    honesty = result["honesty"]
    assert honesty["passed"]
    assert {finding["about"] for finding in honesty["findings"]} == {"pgd", "model, linf"}
    assert len(honesty["findings"]) == 17


@pytest.mark.parametrize(("eps", "examples"), [(PGD.eps, 0), (0.0, 16)])
def test_a_network_that_was_not_examined_is_not_trusted(eps, examples, tmp_path):
    attack = config_files.replace(PGD, eps=eps)
    result = evaluation(tmp_path, attacks={"pgd": attack}, honesty_examples=examples)
    assert result["honesty"]["passed"] is None
    assert all(finding["passed"] for finding in result["honesty"]["findings"])


def test_a_noisy_network_that_hides_nothing_is_trusted(tmp_path):
    noisy = AttackConfig(name="apgd_ce", eps=0.035, num_steps=5, input_noise=0.05, samples=4)
    square = AttackConfig(name="square", eps=0.035, num_steps=10)
    attacks = {"noisy": noisy, "square": square}
    result = evaluation(tmp_path, attacks=attacks, honesty_examples=16)
    findings = result["honesty"]["findings"]
    about = {"noisy", "square", "model, linf", "model, linf, input noise 0.05"}
    assert {finding["about"] for finding in findings} == about  # not compared with each other
    assert {f["check"] for f in findings if f["about"] == "noisy"} == {"weak attack", "found more"}
    assert all(finding["passed"] for finding in findings if finding["about"] == "noisy")
    assert [f for f in findings if f["about"].endswith("0.05") and not f["passed"]] == []


def test_a_network_that_rounds_its_input_is_not_trusted(tmp_path):
    result = evaluation(tmp_path, subject_of(levels=4), attacks={"pgd": PGD}, honesty_examples=16)
    honesty = result["honesty"]
    assert not honesty["passed"]
    bad = {finding["check"] for finding in honesty["findings"] if not finding["passed"]}
    assert {"zero gradients", "disconnected gradient", "quantised input"} <= bad
    assert result["attacks"]["pgd"]["value"] > robust_share(PGD.eps)


def test_attacks_with_and_without_gradients_are_compared_across_labels(tmp_path):
    attacks = {name: AttackConfig(name=name, eps=0.3) for name in ("fgsm", "square")}
    attacks["square"] = config_files.replace(attacks["square"], num_steps=30)
    result = evaluation(tmp_path, subject_of(levels=4), attacks=attacks, honesty_examples=0)
    (finding,) = (f for f in result["honesty"]["findings"] if f["check"] == "black box")
    assert finding["about"] == "fgsm, square"
    assert not finding["passed"]


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_a_weak_attack_is_not_trusted_and_what_is_left_is_said(norm, tmp_path):
    """The radius of the curve, too, at which the reported attack does not get as far."""
    square = AttackConfig(name="square", eps=0.01, norm=norm, num_steps=2, radii=(EPS[norm],))
    result = evaluation(tmp_path, attacks={"few": square}, honesty_examples=21)
    by_check = {finding["check"]: finding for finding in result["honesty"]["findings"]}
    curve = {point["eps"]: point["value"] for point in result["attacks"]["few"]["curve"]}
    assert not by_check["weak attack"]["passed"]
    more = by_check["found more"]
    assert not more["passed"]
    assert more["about"] == "few"
    right = robust_share(EPS[norm], norm)
    assert more["value"] == pytest.approx(curve[EPS[norm]] - right)
    assert f"{curve[EPS[norm]]:.1%}" in more["message"]
    assert f"{right:.1%}" in more["message"]


def test_what_a_random_network_is_attacked_with_is_compared_on_fresh_draws(tmp_path):
    weak = AttackConfig(
        name="pgd", eps=0.05, num_steps=2, step_size=1e-4, random_start=False, input_noise=0.02,
        samples=4,
    )  # fmt: skip
    result = evaluation(tmp_path, attacks={"weak": weak}, honesty_examples=21)
    (more,) = (f for f in result["honesty"]["findings"] if f["check"] == "found more")
    assert not more["passed"]
    assert more["value"] == pytest.approx(robust_share(0) - robust_share(0.05), abs=0.15)


def test_a_balanced_task_has_one_metric_throughout(tmp_path):
    subject = subject_of()._replace(task=Classification(metric="balanced"))
    subject = subject.take(15)  # 8 and 7 images of the two classes
    square = AttackConfig(name="square", eps=PGD.eps, num_steps=30)
    result, _ = measure(square, tmp_path, subject=subject)
    assert result["runs"][-1]["robust_accuracy"] == result["value"]
    smoothing = SmoothingConfig(
        selection_samples=8, samples=64, radii=(0.0,), examples=None, batch_size=64
    )
    point = measure_certified(subject, smoothing, tmp_path)["curve"][0]
    assert point["value"] != point["correct"] / point["examples"]


def test_a_result_is_strict_json(tmp_path):
    result = evaluation(tmp_path, attacks={"pgd": PGD}, honesty_examples=16)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    values = {finding["check"]: finding["value"] for finding in result["honesty"]["findings"]}
    assert values["probabilities"] is None  # infinite: there are negative logits


@pytest.mark.parametrize(
    ("attacks", "examples", "checked"),
    [
        ({"a": PGD}, 0, []),
        ({"a": AttackConfig(eps=0.0)}, 8, []),
        (
            {"a": AttackConfig(eps=0.0, num_steps=1, radii=(0.1, 0.2))},
            8,
            [(8, 0.2, "linf", 0.0, 0)],
        ),
        (
            {
                "a": AttackConfig(eps=0.01, num_steps=1),
                "b": AttackConfig(eps=0.1, num_steps=1, norm="l2"),
                "c": AttackConfig(eps=0.02, num_steps=1),
            },
            500,
            [(21, 0.02, "linf", 0.0, 0), (21, 0.1, "l2", 0.0, 0)],
        ),
        (
            {"a": AttackConfig(eps=0.01), "b": AttackConfig(eps=0.02, input_noise=0.1)},
            16,
            [(16, 0.01, "linf", 0.0, 0), (16, 0.02, "linf", 0.1, 16)],
        ),
    ],
    ids=["not asked for", "no radius", "radii alone", "two norms", "noise"],
)
def test_the_model_is_checked_once_a_norm_at_the_largest_radius(
    attacks, examples, checked, tmp_path, monkeypatch
):
    calls = []

    def check_honesty(subject, eps, norm, input_noise, samples):
        calls.append((len(subject.y), eps, norm, input_noise, samples))
        return []

    monkeypatch.setattr(robustness, "measure_attack", lambda *args, **options: ({}, {}, []))
    monkeypatch.setattr(robustness, "check_honesty", check_honesty)
    result = evaluation(tmp_path, attacks=attacks, honesty_examples=examples)
    assert calls == checked
    assert result["honesty"]["passed"] is (True if checked else None)


def test_without_attacks_there_is_no_verdict(tmp_path):
    assert evaluation(tmp_path) == {"attacks": {}}
    assert not list(tmp_path.iterdir())
