"""A state to be kept, saved and read back."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.storage.checkpoints import Retention, open_checkpoints


class State(NamedTuple):
    step: Any
    params: Any
    nothing: Any = None


def tree(step):
    return State(
        jnp.int32(step),
        {
            "kernel": np.random.default_rng(step).normal(size=(40, 40)).astype(np.float32),
            "odd": np.array([0.0, -0.0, np.nan, np.inf, 1e-45], np.float32),
            "mask": [np.arange(6).reshape(2, 3) % 2 == 0, np.ones((), bool)],
            "half": jnp.arange(3, dtype=jnp.bfloat16),
            "a.b": {},
        },
    )


def like():
    return jax.tree.map(jnp.zeros_like, tree(0))


def save(folder, *steps, retention=Retention(), scores=None):  # noqa: B008
    with open_checkpoints(folder, retention) as checkpoints:
        for step in steps:
            score = None if scores is None else scores[step]
            checkpoints.save(step, tree(step), {"step": step, "loss": step / 3}, score)


def restore(folder, template=None):
    with open_checkpoints(folder, Retention()) as checkpoints:
        return checkpoints.restore(like() if template is None else template)


def step_of(restored):
    """Check that a whole checkpoint was read and return its step."""
    step = restored.meta["step"]
    assert restored.meta == {"step": step, "loss": step / 3}
    assert jax.tree.structure(restored.tree) == jax.tree.structure(tree(step))
    for found, expected in zip(
        jax.tree.leaves(restored.tree), jax.tree.leaves(tree(step)), strict=True
    ):
        expected = np.asarray(expected)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
    return step


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
