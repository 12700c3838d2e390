"""Attacks, checks and certificates of a linear network, whose robust accuracy is known exactly."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm as gaussian

from rtickets.attacks import WorstCase
from rtickets.attacks.ensemble import legs
from rtickets.attacks.ensemble.autoattack import Row
from rtickets.config import AttackConfig, EvaluateConfig, SmoothingConfig
from rtickets.evaluation import Network, measure_robustness, robustness
from rtickets.evaluation.certified import measure_certified
from rtickets.evaluation.robustness import (
    _findings,
    measure_attack,
)
from rtickets.evaluation.subject import Subject
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.tasks import Classification

SHAPE = (4, 4, 1)
WEIGHTS = np.random.default_rng(0).normal(size=16).astype(np.float32)
DUAL = {"linf": np.abs(WEIGHTS).sum(), "l2": np.linalg.norm(WEIGHTS), "l1": np.abs(WEIGHTS).max()}
MARGINS = np.linspace(-0.15, 0.85, 21) + 0.01  # of the labels' logits; three images are wrong


PGD = AttackConfig(eps=0.035, num_steps=10, random_start=False)


class Linear(nn.Module):
    """Two classes, told apart by a plane through grey images."""

    levels: int = 0
    num_classes: int = 2

    @nn.compact
    def __call__(self, x, train):
        if self.levels:
            x = jnp.round(x * self.levels) / self.levels
        return nn.Dense(2, name="head")(x.reshape(len(x), -1))


def subject_of(levels=0, batch_size=16):
    head = {
        "kernel": np.stack([-WEIGHTS, WEIGHTS], -1) / 2,
        "bias": np.array([WEIGHTS.sum(), -WEIGHTS.sum()]) / 4,
    }
    y = (np.arange(len(MARGINS)) % 2).astype(np.int32)
    along = (2 * y - 1) * MARGINS / (WEIGHTS**2).sum()
    x = 0.5 + np.outer(along, WEIGHTS).reshape(-1, *SHAPE).astype(np.float32)
    keys = jax.random.split(jax.random.key(1), len(y))
    network = Network(Linear(levels), {"head": head}, {})
    batch = {"image": x, "label": y}
    return Subject(network, batch, keys, batch_size, parallel.local_devices(2))


def robust_share(eps, norm="linf"):
    """Return the robust accuracy, Hein & Andriushchenko 2017 for a linear model."""
    return float(np.mean(MARGINS - eps * DUAL[norm] > 0))


def measure(config, folder, label="attack", subject=None, save_images=False):
    """Return the result and the findings."""
    subject = subject or subject_of()
    result, _, findings = measure_attack(subject, label, config, folder, save_images=save_images)
    return result, findings


def failed(findings):
    return [finding.check for finding in findings if not finding.passed]


# --- accuracy under attack ------------------------------------------------------------------------

EPS = {"linf": 0.035, "l2": 0.13, "l1": 0.25}


@pytest.mark.parametrize(
    "config",
    [
        PGD,
        config_files.replace(PGD, norm="l2"),
        config_files.replace(PGD, norm="l1"),
        AttackConfig(num_steps=10, restarts=2),
        AttackConfig(name="fgsm"),
        AttackConfig(name="apgd_ce", num_steps=20),
        AttackConfig(name="apgd_dlr", num_steps=20),
        AttackConfig(name="apgd_t", num_steps=20),
        AttackConfig(name="fab_t", num_steps=20),
    ],
    ids=lambda config: f"{config.name}-{config.norm}-{config.restarts}",
)
def test_attacks_reach_the_robust_accuracy_of_a_linear_network(config, tmp_path):
    config = config_files.replace(config, eps=EPS[config.norm])
    result, findings = measure(config, tmp_path)
    assert result["value"] == robust_share(config.eps, config.norm)
    assert 0.2 < result["value"] < 0.6
    assert result["recomputed"]["value"] == result["value"]
    assert failed(findings) == (["weak attack"] if config.name == "fgsm" else [])


def test_an_attack_without_gradients_cannot_beat_it(tmp_path):
    result, _ = measure(AttackConfig(name="square", eps=0.035, num_steps=200), tmp_path)
    assert robust_share(0.035) <= result["value"] < robust_share(0)
    assert [run["attack"] for run in result["runs"]] == ["square"]
    assert set(result["runs"][0]) == {*Row._fields} - {"seconds"}


@pytest.mark.parametrize("eps", [0.02, 0.0])
def test_the_curve_is_that_of_the_closed_form(eps, tmp_path):
    radii = (0.08, 0.0, 0.03, eps)
    config = config_files.replace(PGD, eps=eps, radii=radii)
    result, findings = measure(config, tmp_path)
    curve = {point["eps"]: point["value"] for point in result["curve"]}
    assert list(curve) == sorted({*radii})
    assert curve == {radius: robust_share(radius) for radius in radii}
    assert curve[0.0] == float((MARGINS > 0).mean())
    assert result["value"] == curve[eps]
    assert list(curve.values()) == sorted(curve.values(), reverse=True)
    checks = [finding.check for finding in findings]
    assert checks == ["recomputed", "accuracy over eps", "weak attack"]
    assert failed(findings) == []


def test_radii_that_print_alike_are_kept_apart(tmp_path):
    config = config_files.replace(PGD, radii=(PGD.eps + 1e-9,))
    result, _ = measure(config, tmp_path)
    assert len(result["curve"]) == 2
    assert len(list((tmp_path / "attacks").iterdir())) == 2


def test_saved_images_are_in_the_ball_and_tell_the_same_accuracy(tmp_path):
    subject, config = subject_of(), config_files.replace(PGD, radii=(0.1,))
    result, _ = measure(config, tmp_path, "mine", subject, save_images=True)
    with np.load(tmp_path / "adversarial_mine.npz") as saved:
        x_adv, labels, fooled = (saved[name] for name in ("x_adv", "labels", "fooled"))
    assert x_adv.dtype == np.float32
    assert 0 < np.abs(x_adv - subject.x).max() <= PGD.eps + 1e-6
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    np.testing.assert_array_equal(labels, subject.y)
    logits = subject.network.model.apply({"params": subject.network.params}, x_adv, False)
    wrong = np.asarray(logits).argmax(-1) != labels
    np.testing.assert_array_equal(wrong, fooled)
    assert wrong.sum() == result["examples"] - result["correct"]


def test_a_little_input_noise_changes_nothing(tmp_path):
    config = AttackConfig(name="apgd_ce", eps=0.035, num_steps=20, input_noise=1e-6, samples=3)
    result, findings = measure(config, tmp_path)
    assert result["value"] == robust_share(0.035)
    assert [finding.check for finding in findings] == ["weak attack"]
    assert failed(findings) == []


def test_input_noise_makes_a_random_network_that_is_attacked_in_expectation(tmp_path):
    """Its accuracy has a closed form: noise moves the margin by a Gaussian."""
    config = AttackConfig(
        name="autoattack", version="rand", eps=0.02, radii=(0.0,), input_noise=0.1, samples=8
    )
    result, findings = measure(config, tmp_path / "once")
    assert [run["attack"] for run in result["runs"]] == ["apgd_ce", "apgd_dlr"]
    assert failed(findings) == []
    curve = {point["eps"]: point["value"] for point in result["curve"]}
    assert 0 < curve[0.02] < curve[0.0]
    for eps, value in curve.items():
        margins = (MARGINS - eps * DUAL["linf"]) / (0.1 * DUAL["l2"])
        assert value == pytest.approx(gaussian.cdf(margins).mean(), abs=0.03)
    assert result["value"] == result["recomputed"]["value"] == curve[0.02]
    assert result["draws"] == 104  # at least 100, in evaluations of 8
    assert result["low"] < result["value"] < result["high"]
    # what the attacks were chosen by is a little lower than what fresh draws say
    assert result["runs"][-1]["robust_accuracy"] == pytest.approx(result["value"], abs=0.03)
    again, _ = measure(config, tmp_path / "again")
    assert again == result
    other = subject_of()._replace(keys=jax.random.split(jax.random.key(7), len(MARGINS)))
    moved, _ = measure(config, tmp_path / "other", subject=other)
    assert moved != result


def test_noisy_copies_count_in_the_batch(tmp_path, monkeypatch):
    sizes = []

    def attack_in_shares(attack, subject, folder):
        sizes.append(subject.batch_size)
        return found("pgd", total=len(subject.y))

    monkeypatch.setattr(robustness, "attack_in_shares", attack_in_shares)
    measure(AttackConfig(), tmp_path)
    measure(AttackConfig(input_noise=0.1, samples=5), tmp_path)
    assert sizes == [16, 4]


def test_progress_says_which_attack_and_radius(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(legs, "_SAY_SECONDS", 0.0)
    measure(PGD, tmp_path, "mine")
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert all(line.startswith("mine, eps 0.035: pgd: robust accuracy at most") for line in lines)


# --- findings -------------------------------------------------------------------------------------


def found(*attacks, by=(), differ=0, broken=0, total=1000):
    """Return the outcome of attacks on 1000 images, some fooled by each."""
    fooled_by = np.array([name for name, count in by for _ in range(count)], object)
    fooled_by = np.concatenate([fooled_by, np.full(total - len(fooled_by), "", object)])
    rows = tuple(Row(name, 0, 0, 0.0, 0, 0.0, "") for name in attacks)
    recomputed = fooled_by == ""
    recomputed[:differ] ^= True
    bad = np.arange(total) < broken
    return WorstCase(np.zeros((total, 1)), np.ones(total, bool), fooled_by, rows, recomputed, bad)


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


def evaluation(folder, subject=None, **fields):
    subject = subject or subject_of()
    config = EvaluateConfig(**fields)
    return measure_robustness(
        config, lambda count: subject.take(count) if count else subject, folder
    )


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


# --- certificates ---------------------------------------------------------------------------------


def test_certified_accuracy_stays_below_the_distance_to_the_boundary(tmp_path):
    config = SmoothingConfig(
        sigma=0.25, samples=2000, radii=(0.2, 0.0, 0.1, 0.1), examples=None, batch_size=512
    )
    certified = measure_certified(subject_of(), config, tmp_path)
    curve = {point["radius"]: point["value"] for point in certified["curve"]}
    assert [point["radius"] for point in certified["curve"]] == [0.0, 0.1, 0.2]
    distances = MARGINS / DUAL["l2"]
    for radius, value in curve.items():
        assert value <= (distances > radius).mean()
        assert value >= (distances > radius + 0.04).mean()
    assert 0 < certified["abstained"] <= (np.abs(distances) < 0.02).sum()


def test_certification_takes_its_own_number_of_examples(tmp_path):
    smoothing = SmoothingConfig(
        selection_samples=8, samples=64, radii=(0.0,), examples=5, batch_size=64
    )
    result = evaluation(tmp_path, smoothing=smoothing)
    assert set(result) == {"attacks", "certified"}
    assert result["certified"]["curve"][0]["examples"] == 5
    assert evaluation(tmp_path, smoothing=smoothing) == result
