"""Accuracy under attack: that of the closed form, over radii, under noise, and certified."""

import jax
import numpy as np
import pytest
from scipy.stats import norm as gaussian

from rtickets.attacks.ensemble import legs
from rtickets.attacks.ensemble.autoattack import Row
from rtickets.config import AttackConfig, SmoothingConfig
from rtickets.evaluation import robustness
from rtickets.evaluation.certified import measure_certified
from rtickets.settings import config_files
from tests.evaluation.robustness.conftest import (
    DUAL,
    EPS,
    MARGINS,
    PGD,
    evaluation,
    failed,
    found,
    measure,
    robust_share,
    subject_of,
)


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
