import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.attacks.honesty.gradients import zero_gradients
from rtickets.attacks.honesty.probes import flat_share, has_jumps, make_subject


@pytest.mark.parametrize(
    ("changes", "jumps"),
    [
        ((1e-5, 4e-3, 0.1), False),  # proportional
        ((0.0033, 0.91, 2.0), False),  # steep: of a sparse natural network of the demo
        ((0.0016, 0.56, 1.4), False),  # of another
        ((0.0, 0.0, 0.0), False),
        ((0.5, 0.5, 0.5), True),  # noise
        ((0.025, 0.5, 0.6), True),  # rounding
        ((2e-5, 0.5, 0.6), True),  # noise that a shade seeds
        ((0.0, 0.5, 0.6), True),
    ],
)
def test_a_steep_model_is_told_from_one_that_jumps(changes, jumps):
    assert has_jumps(np.array(changes)) == jumps


@pytest.mark.parametrize(
    ("margin", "vanishes"),
    [(5, (False, False, False)), (20, (False, False, True)), (200, (True, True, True))],
)
def test_where_a_gradient_vanishes_is_that_of_the_sigmoid(margin, vanishes):
    """Two classes: the gradient is sigmoid(-margin) in every pixel; float16 ends at 3e-8."""
    x, y = jnp.full((2, 1, 1, 1), 0.5), jnp.zeros(2, jnp.int32)

    def logits_fn(x):
        return jnp.concatenate([margin + x - 0.5, 0.5 - x], 3)[:, 0, 0]

    subject = make_subject(logits_fn, x, y, jax.random.key(0), 8 / 255, "linf", 0)
    zero = zero_gradients(subject)
    assert (zero.cross_entropy[0], zero.bfloat16[0], zero.float16[0]) == vanishes
    assert not zero.margin.any()


@pytest.mark.parametrize("levels", [2, 3, 4, 8, 16, 1024])
def test_flat_share_is_that_of_the_levels(levels):
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(512, 8, 8, 1)), jnp.float32)
    y = jnp.zeros(512, jnp.int32)

    def logits_fn(x):
        return jnp.round((levels - 1) * x).mean((1, 2)) * jnp.arange(3)

    subject = make_subject(logits_fn, x, y, jax.random.key(0), 8 / 255, "linf", 0)
    crossing = min((levels - 1) / 64, 1)  # how often a step of 1/64 meets one of the jumps
    assert flat_share(subject) == pytest.approx(1 - crossing, abs=0.1)
