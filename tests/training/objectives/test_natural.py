import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rtickets.config import ObjectiveConfig
from rtickets.errors import InputError
from rtickets.settings import config_files
from rtickets.tasks import Classification
from rtickets.training import objectives

LABELS = jnp.array([0, 2, 1, 2])
LOGITS = jnp.array([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0], [5.0, -5.0, 3.0], [-2.0, 1.0, 4.0]])


def losses_of(config):
    """Return the losses of a network whose logits are its images."""
    objective = objectives.make_objective(config)
    return objective.loss(lambda x: (x, None), {"image": LOGITS, "label": LABELS}, LOGITS)[0]


def test_without_smoothing_it_is_cross_entropy():
    expected = optax.softmax_cross_entropy_with_integer_labels(LOGITS, LABELS)
    np.testing.assert_array_equal(losses_of(ObjectiveConfig()), expected)


@pytest.mark.parametrize("name", ["natural", "gaussian", "pgd"])
@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_smoothed_targets_are_optax_s(name, smoothing):
    targets = optax.smooth_labels(jax.nn.one_hot(LABELS, 3), smoothing)
    expected = optax.softmax_cross_entropy(LOGITS, targets)
    found = losses_of(ObjectiveConfig(name=name, label_smoothing=smoothing))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_smoothing_keeps_a_sure_answer_from_being_free():
    """At smoothing s over k classes the least loss is the entropy of the smoothed target."""
    smoothing, classes = 0.3, 3
    p = np.full(classes, smoothing / classes)
    p[0] += 1 - smoothing
    objective = objectives.natural(Classification(label_smoothing=smoothing))
    best = jnp.log(jnp.asarray(p))[None]
    batch = {"image": best, "label": jnp.array([0])}
    losses = objective.loss(lambda x: (x, None), batch, best)[0]
    assert float(losses[0]) == pytest.approx(-(p * np.log(p)).sum(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_that_leaves_no_target_is_refused(smoothing):
    with pytest.raises(InputError, match="label_smoothing="):
        config_files.parse(ObjectiveConfig, {"label_smoothing": smoothing})
