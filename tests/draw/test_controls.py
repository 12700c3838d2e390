import chex
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import masks
from rtickets.draw import draw_omp
from rtickets.draw.controls import OTHER_WEIGHTS, control_mask
from rtickets.errors import InputError
from rtickets.masks.patterns import group_scores, parse_pattern

SAME_COUNTS = ["random", "shuffled", "flipped", "mask_noise", *OTHER_WEIGHTS]
SEEDED = ["random", "shuffled", "flipped", "perturbed", "mask_noise"]


def drawn(sparsity=0.7, pattern="element", seed=0):
    generator = np.random.default_rng(seed)
    params = {
        "conv": {"kernel": generator.standard_normal((3, 3, 6, 10)), "bias": np.zeros(10)},
        "dense": {"kernel": generator.standard_normal((10, 12))},
        "head": {"kernel": generator.standard_normal((12, 2))},
    }
    return draw_omp(params, sparsity, pattern)


def counts(mask):
    return {path: int(leaf.sum()) for path, leaf in masks.leaf_paths(mask).items()}


def kernels(mask):
    return [mask[layer]["kernel"] for layer in ("conv", "dense")]


def test_random_masks_of_one_seed_are_as_alike_as_the_masks_they_are_of():
    one, other, narrower = drawn(0.5), drawn(0.7, seed=1), drawn(0.9)
    first, second, third = (control_mask(each, "random", 3) for each in (one, other, narrower))
    assert masks.overlap(first, second) == masks.overlap(one, other)
    assert masks.overlap(first, control_mask(other, "random", 4)) != masks.overlap(one, other)
    jax.tree.map(lambda large, small: np.testing.assert_array_equal(small & large, small),
                 first, third)  # fmt: skip


@pytest.mark.parametrize("control", SAME_COUNTS)
@settings(max_examples=15, deadline=None)
@given(sparsity=st.floats(0, 0.99), seed=st.integers(0, 9))
def test_the_number_of_survivors_of_every_layer_stays(control, sparsity, seed):
    mask = drawn(sparsity)
    made = control_mask(mask, control, seed)
    assert counts(made) == counts(mask)
    assert jax.tree.structure(made) == jax.tree.structure(mask)
    assert made["head"]["kernel"] is mask["head"]["kernel"]


@pytest.mark.parametrize("control", SEEDED)
def test_a_control_is_a_function_of_its_seed(control):
    mask = drawn()
    first, again, other = (control_mask(mask, control, seed) for seed in (1, 1, 2))
    chex.assert_trees_all_equal(first, again)
    for one, two, before in zip(kernels(first), kernels(other), kernels(mask), strict=True):
        assert (one != two).any()
        assert (one != before).any()


def test_a_random_mask_keeps_nothing_but_the_count():
    mask = drawn(0.8)
    overlap = masks.overlap(mask, control_mask(mask, "random", 0))
    expected = 0.2 / (2 - 0.2)  # of two independent masks of density 0.2
    assert overlap["conv/kernel"] < 2.5 * expected


def test_perturbing_changes_a_part_of_the_ones_and_as_large_a_part_of_the_zeros():
    mask = drawn(0.8)
    made = control_mask(mask, "perturbed", 0, 0.1)
    for before, after in zip(kernels(mask), kernels(made), strict=True):
        ones, zeros = int(before.sum()), int((~before).sum())
        assert int((before & ~after).sum()) == round(0.1 * ones)
        assert int((after & ~before).sum()) == round(0.1 * zeros)
    chex.assert_trees_all_equal(control_mask(mask, "perturbed", 0, 0.0), mask)
    whole = control_mask(mask, "perturbed", 0, 1.0)
    assert all((a == ~b).all() for a, b in zip(kernels(mask), kernels(whole), strict=True))
    channels = drawn(0.5, "channel")
    for after in kernels(control_mask(channels, "perturbed", 0, 0.2, "channel"))[:1]:
        assert set(after.sum((0, 1, 2))) == {0, 3 * 3 * 6}


def test_shuffling_keeps_the_shapes_of_the_surviving_kernels():
    mask = drawn()
    before, after = (kernels(m)[0] for m in (mask, control_mask(mask, "shuffled", 0)))
    shapes = [
        sorted(kernel.tobytes() for kernel in np.moveaxis(m, (2, 3), (0, 1)).reshape(60, 9))
        for m in (before, after)
    ]
    assert shapes[0] == shapes[1]
    for axis in (2, 3):  # channels keep their numbers of survivors, in another order
        axes = tuple({0, 1, 2, 3} - {axis})
        assert sorted(before.sum(axes)) == sorted(after.sum(axes))
    np.testing.assert_array_equal(before.sum((2, 3)), after.sum((2, 3)))


def test_shuffling_keeps_whole_channels():
    mask = drawn(0.5, "channel")
    made = control_mask(mask, "shuffled", 0)["conv"]["kernel"]
    assert set(np.unique(made.sum((0, 1, 2)))) == {0, 54}


def test_the_complement_of_the_complement_is_the_mask():
    mask = drawn()
    made = control_mask(mask, "complement", 0)
    for keep, other in zip(kernels(mask), kernels(made), strict=True):
        np.testing.assert_array_equal(keep, ~other)
    chex.assert_trees_all_equal(control_mask(made, "complement", 1), mask)


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 0.95), st.floats(0, 1), st.integers(0, 9))
def test_the_fraction_that_is_flipped_is_exact(sparsity, fraction, seed):
    mask = drawn(sparsity)
    made = control_mask(mask, "flipped", seed, fraction)
    for keep, other in zip(kernels(mask), kernels(made), strict=True):
        alive, dead = int(keep.sum()), int((~keep).sum())
        expected = min(round(alive * fraction), dead)
        assert int((keep & ~other).sum()) == int((~keep & other).sum()) == expected


@pytest.mark.parametrize("control", ["random", "flipped"])
@pytest.mark.parametrize("pattern", ["row", "kernel", "channel", "block:2x3"])
def test_groups_stay_whole(control, pattern):
    mask, parsed = drawn(0.5, pattern), parse_pattern(pattern)
    made = control_mask(mask, control, 0, 0.3, pattern)
    for keep, other in zip(kernels(mask), kernels(made), strict=True):
        before, after = (group_scores(m.astype(np.float32), parsed) for m in (keep, other))
        assert set(np.unique(after)) <= {0, 1}
        assert before.sum() == after.sum()
        assert (before != after).any()


def test_a_random_n_of_m_mask_is_one():
    params = {"dense": {"kernel": np.random.default_rng(0).standard_normal((8, 6))}}
    mask = draw_omp(params, 0.5, "2:4")
    made = control_mask(mask, "random", 0, pattern="2:4")["dense"]["kernel"]
    assert (made.reshape(2, 4, 6).sum(1) == 2).all()
    assert (made != mask["dense"]["kernel"]).any()


@pytest.mark.parametrize(
    ("control", "pattern"),
    [("shuffled", "block:2x2"), ("shuffled", "2:4"), ("flipped", "2:4"), ("mask_noise", "2:4")],
)
def test_controls_that_would_break_the_pattern_are_refused(control, pattern):
    with pytest.raises(InputError, match=f"control='{control}'"):
        control_mask(drawn(), control, 0, pattern=pattern)


@pytest.mark.parametrize("control", OTHER_WEIGHTS)
def test_controls_of_the_weights_keep_the_mask(control):
    mask = drawn()
    chex.assert_trees_all_equal(control_mask(mask, control, 3), mask)


@pytest.mark.parametrize(("sparsity", "part"), [(0.7, 0.03), (0.3, 0.1), (0.9, 0.5)])
def test_noise_in_a_mask_is_a_part_of_every_layer(sparsity, part):
    mask = drawn(sparsity)
    made = control_mask(mask, "mask_noise", 0, part)
    for before, after in zip(kernels(mask), kernels(made), strict=True):
        count = min(round(part * before.size), int(before.sum()), int((~before).sum()))
        assert int((before & ~after).sum()) == int((after & ~before).sum()) == count > 0


def test_noise_in_a_mask_of_channels_moves_channels():
    mask = drawn(0.5, "channel")
    made = control_mask(mask, "mask_noise", 0, 0.2, "channel")["conv"]["kernel"]
    before = mask["conv"]["kernel"].all((0, 1, 2))
    assert set(made.sum((0, 1, 2))) == {0, 3 * 3 * 6}
    assert int((before & ~made.all((0, 1, 2))).sum()) == 2


@pytest.mark.parametrize("control", [*SAME_COUNTS, "complement"])
@pytest.mark.parametrize("alive", [True, False])
def test_layers_that_are_dense_or_empty_are_no_special_case(control, alive):
    mask = {"conv": {"kernel": np.full((3, 3, 2, 2), alive)}}
    made = control_mask(mask, control, 0, 1.0)["conv"]["kernel"]
    assert made.all() == made.any() == (alive != (control == "complement"))


@pytest.mark.parametrize("control", SEEDED)
def test_layers_of_one_shape_are_not_treated_alike(control):
    keep = np.arange(64).reshape(8, 8) % 3 == 0
    made = control_mask({"a": {"kernel": keep}, "b": {"kernel": keep}}, control, 0)
    assert (made["a"]["kernel"] != made["b"]["kernel"]).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shuffle", 0), "control='shuffle' .*random, shuffled"),
        (("flipped", 0, 1.5), r"flip_fraction=1\.5 is outside"),
        (("flipped", 0, -0.1), r"flip_fraction=-0\.1 is outside"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        control_mask(drawn(), *arguments)


ROLES = {"attention": "oii", "stack": "sio"}


def stacked():
    """A mask (2 outputs, 3 x 4 inputs), and one of two layers, 3 by 8, of different density."""
    generator = np.random.default_rng(0)
    layers = np.stack([generator.random((3, 8)) < density for density in (0.25, 0.75)])
    mask = {"attention": {"kernel": generator.random((2, 3, 4)) < 0.5}, "stack": {"kernel": layers}}
    return mask, {f"{name}/kernel": roles for name, roles in ROLES.items()}


def test_shuffling_permutes_flattened_axes_within_a_copy():
    mask, layouts = stacked()
    made = control_mask(mask, "shuffled", 0, layouts=layouts)
    for before, after in zip(mask["stack"]["kernel"], made["stack"]["kernel"], strict=True):
        for axis in (0, 1):
            assert sorted(before.sum(axis)) == sorted(after.sum(axis))
    before, after = (m["attention"]["kernel"].reshape(2, 12) for m in (mask, made))
    assert sorted(before.sum(1)) == sorted(after.sum(1))
    columns, shuffled = (sorted(map(tuple, m.T)) for m in (before, after))
    assert columns in (shuffled, sorted(column[::-1] for column in shuffled))


@pytest.mark.parametrize("control", ["random", "flipped"])
@pytest.mark.parametrize("pattern", ["element", "channel"])
def test_groups_of_every_copy_keep_their_number(control, pattern):
    mask, layouts = stacked()
    generator = np.random.default_rng(0)
    params = jax.tree.map(lambda keep: generator.standard_normal(keep.shape), mask)
    drawn_mask = draw_omp(params, 0.5, pattern, layouts=layouts)
    made = control_mask(drawn_mask, control, 1, 0.5, pattern, layouts=layouts)
    before, after = (m["stack"]["kernel"] for m in (drawn_mask, made))
    np.testing.assert_array_equal(before.sum((1, 2)), after.sum((1, 2)))
    before, after = (m["attention"]["kernel"].reshape(2, 12) for m in (drawn_mask, made))
    assert before.sum() == after.sum()
    if pattern == "channel":
        assert (made["stack"]["kernel"].all(1) == made["stack"]["kernel"].any(1)).all()
        assert (after.all(1) == after.any(1)).all()


def test_the_random_control_of_n_of_m_runs_over_inputs():
    params = {"a": {"kernel": np.random.default_rng(0).standard_normal((2, 2, 6))}}
    mask = draw_omp(params, 0.5, "2:4", layouts={"a/.*": "iio"})
    made = control_mask(mask, "random", 0, pattern="2:4", layouts={"a/.*": "iio"})
    assert (made["a"]["kernel"].sum((0, 1)) == 2).all()


@pytest.mark.parametrize(
    ("control", "pattern"), [("shuffled", "element"), ("random", "channel"), ("flipped", "row")]
)
def test_a_control_that_needs_an_unknown_layout_is_refused(control, pattern):
    mask, layouts = stacked()
    with pytest.raises(InputError, match=r"attention/kernel.* \(2, 3, 4\)"):
        control_mask(mask, control, 0, pattern=pattern)
    for other in ("random", "complement", "reinitialised"):
        control_mask(mask, other, 0)
    whole = jax.tree.map(np.ones_like, mask)
    control_mask(whole, control, 0, pattern=pattern, layouts=layouts)


def test_weights_tell_layouts_that_a_mask_alone_does_not():
    params = {"stack": {"kernel": np.ones((2, 3, 8)), "bias": np.ones((2, 8))}}
    mask = masks.full(params)
    with pytest.raises(InputError, match="stack/kernel"):
        control_mask(mask, "shuffled", 0)
    control_mask(mask, "shuffled", 0, params=params)
