import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import training
from rtickets.config import OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.errors import InputError
from rtickets.settings import config_files

PLAIN = OptimizerConfig(learning_rate=0.0, momentum=0.0, weight_decay=0.0, schedule="constant")


def length(tree):
    return np.sqrt(sum((np.asarray(leaf) ** 2).sum() for leaf in jax.tree.leaves(tree)))


@pytest.mark.parametrize(("norm", "scale"), [(10.0, 1.0), (5.0, 1.0), (1.0, 0.2), (0.5, 0.1)])
def test_gradients_are_clipped_by_their_norm_over_all_leaves(norm, scale):
    optimizer = training.make_optimizer(config_files.replace(PLAIN, clip_norm=norm))
    gradients = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[-4.0]])}  # of norm 5
    updates, _ = optimizer.update(gradients, optimizer.init(gradients), gradients)
    np.testing.assert_allclose(updates["a"], [3 * scale, 0], rtol=1e-6)
    np.testing.assert_allclose(updates["b"], [[-4 * scale]], rtol=1e-6)


def test_weight_decay_is_added_after_clipping():
    optimizer = training.make_optimizer(
        config_files.replace(PLAIN, clip_norm=1.0, weight_decay=0.1)
    )
    weights = {"w": jnp.array([100.0])}
    updates, _ = optimizer.update({"w": jnp.array([7.0])}, optimizer.init(weights), weights)
    np.testing.assert_allclose(updates["w"], [1 + 10], rtol=1e-6)


def test_a_clipped_step_is_as_long_as_it_may_be_and_zero_stays_zero(small):
    fields = {"transform": Transform(), "statistics": "frozen"}
    whole, _ = small.steps(small.program(optimizer=PLAIN, **fields), 1, rate=1.0)
    clipped = config_files.replace(PLAIN, clip_norm=1e-3)
    short, _ = small.steps(small.program(optimizer=clipped, **fields), 1, rate=1.0)
    start = training.init_state(small.program(), small.params, small.batch_stats, small.mask)
    full, part = (
        jax.tree.map(lambda a, b: a - b, state.params, start.params) for state in (whole, short)
    )
    assert length(full) > 0.1
    assert length(part) == pytest.approx(1e-3, rel=1e-2)
    optimizer = training.make_optimizer(clipped)
    zero = jax.tree.map(jnp.zeros_like, small.params)
    updates, _ = optimizer.update(zero, optimizer.init(zero), zero)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(updates))


@pytest.mark.parametrize("norm", [0.0, -1.0, float("inf")])
def test_a_norm_that_clips_nothing_or_all_is_refused(norm):
    with pytest.raises(InputError, match="clip_norm="):
        config_files.parse(OptimizerConfig, {"clip_norm": norm})
