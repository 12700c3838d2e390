"""The head of FCOS: one answer for every place of every level."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.models import pooled
from rtickets.models.heads.fcos import Fcos

SHAPES = {"stem": (16, 16, 4), "stage1": (16, 16, 4), "stage2": (8, 8, 8), "stage3": (5, 4, 16)}


def features(batch=2, seed=0):
    keys = jax.random.split(jax.random.key(seed), len(SHAPES))
    return pooled({
        name: jax.random.normal(key, (batch, *shape)).astype(jnp.bfloat16)
        for key, (name, shape) in zip(keys, SHAPES.items(), strict=True)
    })  # fmt: skip


def test_levels_and_coarser_ones_answer_at_their_places():
    head = Fcos(8, 2, ("stage2", "stage3"), coarser=2)(3)
    assert head == Fcos(8, 2, ("stage2", "stage3"), coarser=2)(3)
    seen = features()
    answers, variables = jax.jit(head.init_with_output)(jax.random.key(0), seen)
    assert set(variables) == {"params"}  # no statistics
    assert [each.shape for each in answers] == [
        (2, 8, 8, 8), (2, 5, 4, 8), (2, 3, 2, 8), (2, 2, 1, 8),
    ]  # fmt: skip
    for each in answers:
        assert each.dtype == jnp.float32
        assert (each[..., 3:7] > 0).all()  # distances
    # At the start hardly any place sees an object.
    scores = jax.nn.sigmoid(jnp.concatenate([e[..., :3].ravel() for e in answers]))
    assert scores.max() < 0.05
    params = variables["params"]
    assert params["factors"].shape == (4,)
    towers = ("what", "where")
    assert all(set(params[name]) == {"conv1", "conv2", "norm1", "norm2"} for name in towers)


def test_examples_do_not_depend_on_each_other():
    head = Fcos(8, 1, ("stage3", "stage1")[::-1], coarser=0)(2)
    seen = features(3)
    variables = jax.jit(head.init)(jax.random.key(0), seen)
    whole = jax.jit(head.apply)(variables, seen)
    alone = jax.jit(head.apply)(variables, jax.tree.map(lambda leaf: leaf[1:2], seen))
    for one, other in zip(whole, alone, strict=True):
        np.testing.assert_allclose(one[1:2], other, rtol=1e-5, atol=1e-6)


def test_coarse_levels_reach_fine_ones():
    head = Fcos(4, 0, ("stage2", "stage3"), coarser=0)(1)
    seen = features(1)
    variables = head.init(jax.random.key(0), seen)

    def fine(coarse):
        changed = seen._replace(levels={**seen.levels, "stage3": coarse})
        return head.apply(variables, changed)[0].sum()

    assert jnp.abs(jax.grad(fine)(seen.levels["stage3"].astype(jnp.float32))).sum() > 0


def test_a_level_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"'stage9'.*stem, stage1, stage2, stage3") as caught:
        Fcos(4, 1, ("stage2", "stage9"))(2).init(jax.random.key(0), features())
    assert "levels" in str(caught.value)
