"""A linear network whose robust accuracy is known in closed form, attacked."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from rtickets.attacks import WorstCase
from rtickets.attacks.ensemble.autoattack import Row
from rtickets.config import AttackConfig, EvaluateConfig
from rtickets.evaluation import Network, measure_robustness
from rtickets.evaluation.robustness import (
    measure_attack,
)
from rtickets.evaluation.subject import Subject
from rtickets.platform import parallel

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


EPS = {"linf": 0.035, "l2": 0.13, "l1": 0.25}


def found(*attacks, by=(), differ=0, broken=0, total=1000):
    """Return the outcome of attacks on 1000 images, some fooled by each."""
    fooled_by = np.array([name for name, count in by for _ in range(count)], object)
    fooled_by = np.concatenate([fooled_by, np.full(total - len(fooled_by), "", object)])
    rows = tuple(Row(name, 0, 0, 0.0, 0, 0.0, "") for name in attacks)
    recomputed = fooled_by == ""
    recomputed[:differ] ^= True
    bad = np.arange(total) < broken
    return WorstCase(np.zeros((total, 1)), np.ones(total, bool), fooled_by, rows, recomputed, bad)


def evaluation(folder, subject=None, **fields):
    subject = subject or subject_of()
    config = EvaluateConfig(**fields)
    return measure_robustness(
        config, lambda count: subject.take(count) if count else subject, folder
    )
