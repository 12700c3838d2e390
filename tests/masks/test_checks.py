"""Every function that takes a mask refuses what is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.core import FrozenDict

import rtickets
from rtickets import masks
from rtickets.draw.controls import control_mask
from rtickets.errors import InputError
from rtickets.tickets.inspect import layers

PARAMS = {
    "conv": {"kernel": np.arange(1, 7, dtype=np.float32).reshape(2, 3)},
    "scale": np.full((), 2, np.float32),
}
KEEP = np.array([[True, False, True], [False, True, False]])
GOOD = {"conv": {"kernel": KEEP}, "scale": True}


def mask_of(kernel, scale=True):
    return {"conv": {"kernel": kernel}, "scale": scale}


ALONE = {  # a mask, and what a message must say of it, where the parameters are not known
    "integers": (mask_of(KEEP.astype(np.uint8)), ["conv/kernel", "uint8", "(2, 3)"]),
    "floats": (mask_of(KEEP.astype(np.float32)), ["conv/kernel", "float32"]),
    "device floats": (mask_of(jnp.ones((2, 3))), ["conv/kernel", "float32"]),
    "a masked array": (mask_of(np.ma.array(KEEP, mask=~KEEP)), ["conv/kernel", "masked array"]),
    "a number": (mask_of(1), ["conv/kernel", "int"]),
    "text": (mask_of("1"), ["conv/kernel", "str"]),
    "None": (mask_of(None), ["conv/kernel", "None"]),
    "a single False": (mask_of(False), ["conv/kernel", "False"]),
    "NumPy's False": (mask_of(np.bool_(False)), ["conv/kernel", "False"]),
    "a device's False": (mask_of(KEEP, jnp.zeros((), bool)), ["scale", "False"]),
}
TOGETHER = {
    **ALONE,
    "a shape to broadcast": (mask_of(KEEP[:1]), ["conv/kernel", "(1, 3)", "(2, 3)"]),
    "fewer axes": (mask_of(KEEP[0]), ["conv/kernel", "(3,)", "(2, 3)"]),
    "a transposed shape": (mask_of(KEEP.T), ["conv/kernel", "(3, 2)", "(2, 3)"]),
    "an array for a scalar": (mask_of(KEEP, np.ones(1, bool)), ["scale", "(1,)", "True"]),
    "a missing leaf": ({"conv": {"kernel": KEEP}}, ["scale"]),
    "a leaf too many": ({**GOOD, "more": True}, ["more"]),
    "a bare array": (KEEP, ["conv/kernel"]),
    "a list": (mask_of(KEEP.tolist()), ["conv/kernel"]),
    "another container": (FrozenDict(GOOD), ["FrozenDict", "dict"]),
}
WITH_PARAMS = {
    "check": lambda mask: masks.check(mask, PARAMS),
    "apply": lambda mask: masks.apply(mask, PARAMS),
    "jitted apply": lambda mask: jax.jit(lambda params: masks.apply(mask, params))(PARAMS),
    "summary": lambda mask: masks.summary(mask, PARAMS),
    "Ticket": lambda mask: rtickets.Ticket(mask, PARAMS),
}
WITHOUT = {
    "check": masks.check,
    "sparsity": masks.sparsity,
    "overlap": lambda mask: masks.overlap(GOOD, mask),
    "overlap, first": lambda mask: masks.overlap(mask, GOOD),
    "pack": masks.pack,
    "control_mask": lambda mask: control_mask(mask, "random", 0),
    "layers": layers,
}


def assert_refused(door, mask, words):
    with pytest.raises(InputError) as refusal:
        door(mask)
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("door", WITH_PARAMS.values(), ids=WITH_PARAMS)
@pytest.mark.parametrize(("mask", "words"), TOGETHER.values(), ids=TOGETHER)
def test_what_is_no_mask_of_the_parameters_is_refused(door, mask, words):
    assert_refused(door, mask, words)


@pytest.mark.parametrize("door", WITHOUT.values(), ids=WITHOUT)
@pytest.mark.parametrize(("mask", "words"), ALONE.values(), ids=ALONE)
def test_what_is_no_mask_of_any_parameters_is_refused(door, mask, words):
    assert_refused(door, mask, words)


@pytest.mark.parametrize("door", [*WITH_PARAMS.values(), *WITHOUT.values()])
@pytest.mark.parametrize("true", [True, np.True_, np.ones((), bool), jnp.ones((), bool)])
def test_a_mask_may_hold_any_true_and_arrays_of_numpy_or_jax(door, true):
    ours, jaxs = mask_of(KEEP, true), mask_of(jnp.asarray(KEEP), true)
    door(ours)
    door(jaxs)
    masks.check(mask_of(true, true), PARAMS)
    assert masks.sparsity(ours) == masks.sparsity(jaxs) == 1 - KEEP.mean()


def test_a_mask_has_none_where_the_parameters_have():
    mask, params = {"a": KEEP, "bias": None}, {"a": np.ones((2, 3)), "bias": None}
    masks.check(mask, params)
    np.testing.assert_array_equal(masks.apply(mask, params)["a"], KEEP)
    with pytest.raises(InputError, match="bias"):
        masks.check(mask, {**params, "bias": np.ones(3)})


@pytest.mark.parametrize("kernel", [KEEP.astype(np.int32), KEEP[:1], np.zeros((), np.float32)])
def test_traced_masks_are_checked_by_dtype_and_shape(kernel):
    with pytest.raises(InputError, match="conv/kernel"):
        jax.jit(masks.apply)(mask_of(kernel), PARAMS)


def test_the_check_leaves_nothing_in_a_compiled_program():
    def without(mask, params):
        return jax.tree.map(lambda keep, leaf: jnp.where(keep, leaf, 0), mask, params)

    stacked = {"kernel": np.stack([KEEP, ~KEEP])}
    weights = {"kernel": PARAMS["conv"]["kernel"]}
    programs = [
        jax.jit(jax.vmap(function, in_axes=(0, None))).lower(stacked, weights).compile().as_text()
        for function in (masks.apply, without)
    ]
    counts = [[text.count(word) for word in ("select(", "fusion(")] for text in programs]
    assert counts[0] == counts[1]


def test_a_traced_single_value_prunes_nothing_where_it_is_true():
    applied = jax.jit(masks.apply)({"bias": np.ones((), bool)}, {"bias": np.ones(3, np.float32)})
    np.testing.assert_array_equal(applied["bias"], np.ones(3))


def test_masks_may_be_shapes_alone():
    mask, params = jax.eval_shape(lambda: ({"kernel": jnp.ones(3, bool)}, {"kernel": jnp.ones(3)}))
    masks.check(mask, params)
    with pytest.raises(InputError, match="kernel is float32"):
        masks.check(params, params)


@pytest.mark.parametrize(
    ("path", "shape", "remedy"),
    [
        ("classifier/kernel", (4, 5), "exclude='classifier/.*'"),
        ("net/out.1/kernel", (4, 2), r"exclude='net/out\\.1/.*'"),
        ("kernel", (4, 5), None),
        ("body/kernel", (3, 10), None),
    ],
)
def test_a_head_that_was_pruned_and_then_replaced_is_told_what_to_do(path, shape, remedy):
    def nested(leaf):
        for key in reversed(path.split("/")):
            leaf = {key: leaf}
        return leaf

    mask = rtickets.draw_omp(nested(np.arange(40.0).reshape(4, 10)), 0.5, prunable=".*")
    with pytest.raises(InputError) as error:
        masks.check(mask, nested(np.zeros(shape)))
    assert path in str(error.value)
    assert ("exclude=" in str(error.value)) == (remedy is not None)
    assert (remedy or path) in str(error.value)


def test_containers_that_differ_within_equal_ones_are_named_by_path():
    kernel = np.arange(6.0).reshape(2, 3)
    mask = rtickets.draw_omp({"a": [{"kernel": kernel}]}, 0.5)
    with pytest.raises(InputError, match="a is in a list where the parameters have a tuple"):
        masks.check(mask, {"a": ({"kernel": kernel},)})
    inner = {"a": [FrozenDict({"kernel": kernel})]}
    with pytest.raises(InputError, match="a/0 is in a dict where the parameters have a FrozenDict"):
        masks.check(mask, inner)


def test_parameters_one_level_apart_are_told_so():
    """`Net().init(...)` has the parameters below 'params', where optimisers have what is in it."""
    inner = {"conv": {"kernel": np.arange(6.0).reshape(2, 3)}, "bias": np.ones(3)}
    whole = {"params": inner, "batch_stats": {"mean": np.zeros(3)}}
    with pytest.raises(InputError, match=r"mask\['params'\]"):
        masks.check(rtickets.draw_omp(whole, 0.5), inner)
    with pytest.raises(InputError, match=r"parameters\['params'\]"):
        masks.check(rtickets.draw_omp(inner, 0.5), whole)
