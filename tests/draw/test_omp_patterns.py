import itertools
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import config, masks
from rtickets.draw.omp import Scope, draw_omp
from rtickets.errors import DrawWarning, InputError
from rtickets.masks.budget import survivors
from rtickets.masks.patterns import group_scores, group_sizes, parse_pattern
from rtickets.settings import config_files

GROUPED = ["element", "row", "kernel", "channel", "block:4x4"]


def network(seed=0, inputs=8):
    generator = np.random.default_rng(seed)
    return {
        "conv1": {"kernel": generator.standard_normal((3, 3, inputs, 16), np.float32)},
        "conv2": {"kernel": generator.standard_normal((1, 1, 16, 8), np.float32)},
        "head": {"kernel": generator.standard_normal((8, 3), np.float32)},
    }


def kernel_mask(mask, name):
    return mask[name]["kernel"]


@settings(max_examples=40)
@given(st.sampled_from(GROUPED), st.floats(0, 0.99), st.integers(0, 50))
def test_uniform_keeps_exactly_k_whole_groups_in_every_leaf(pattern, sparsity, seed):
    mask = draw_omp(network(seed), sparsity, pattern=pattern, scope="uniform")
    for name in ("conv1", "conv2"):
        groups = group_scores(kernel_mask(mask, name).astype(np.float32), parse_pattern(pattern))
        assert set(np.unique(groups)) <= {0.0, 1.0}
        assert int(groups.sum()) == survivors(groups.size, sparsity)


@settings(max_examples=40)
@given(st.sampled_from(GROUPED), st.floats(0, 0.99), st.integers(0, 50))
def test_global_keeps_what_fits_into_the_budget(pattern, sparsity, seed):
    params = network(seed)
    mask = draw_omp(params, sparsity, pattern=pattern)
    parsed = parse_pattern(pattern)
    shapes = [params[name]["kernel"].shape for name in ("conv1", "conv2")]
    sizes = np.concatenate([group_sizes(shape, parsed).ravel() for shape in shapes])
    kept = masks.summary(mask, params).prunable.survivors
    if len(set(sizes)) == 1:
        assert kept == sizes[0] * survivors(len(sizes), sparsity)
    else:
        assert 0 < kept <= max(survivors(sizes.sum(), sparsity), sizes.max())


@pytest.mark.parametrize("pattern", GROUPED)
@pytest.mark.parametrize("scope", get_args(Scope))
def test_masks_are_nested_over_growing_sparsity(pattern, scope):
    drawn = [draw_omp(network(), s, pattern=pattern, scope=scope) for s in (0.2, 0.5, 0.8, 0.95)]
    for larger, smaller in itertools.pairwise(drawn):
        for name in ("conv1", "conv2"):
            assert (kernel_mask(larger, name) | ~kernel_mask(smaller, name)).all()


def test_the_surviving_groups_are_the_largest():
    params = network()
    mask = draw_omp(params, 0.75, pattern="channel", scope="uniform")
    sums = np.abs(params["conv1"]["kernel"]).sum((0, 1, 2))
    kept = kernel_mask(mask, "conv1").all((0, 1, 2))
    assert kept.sum() == 4
    assert sums[kept].min() > sums[~kept].max()


def test_the_norm_decides_between_even_and_peaked_groups():
    params = {"a": {"kernel": np.array([[4.0, 2.2], [0.0, 2.2]], np.float32)}}
    by_mean = draw_omp(params, 0.5, pattern="channel", group_norm="l1")
    by_square = draw_omp(params, 0.5, pattern="channel", group_norm="l2")
    np.testing.assert_array_equal(by_mean["a"]["kernel"], [[0, 1], [0, 1]])
    np.testing.assert_array_equal(by_square["a"]["kernel"], [[1, 0], [1, 0]])


def test_erk_spares_small_layers_and_keeps_exactly_k():
    mask = draw_omp(network(), 0.9, scope="erk")
    summary = masks.summary(mask, network())
    assert summary.prunable.survivors == survivors(summary.prunable.total, 0.9)
    assert summary.leaves["conv2/kernel"].sparsity < summary.leaves["conv1/kernel"].sparsity


def test_n_of_m_keeps_n_of_every_m_inputs():
    mask = draw_omp(network(), 0.5, pattern="2:4")
    runs = kernel_mask(mask, "conv1").reshape(3, 3, 2, 4, 16)
    assert (runs.sum(3) == 2).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sparsity": 0.9, "pattern": "2:4"}, "pattern='2:4' .*sparsity=0.9"),
        ({"sparsity": 0.4, "pattern": "3:5"}, "does not fit conv1/kernel of shape"),
        ({"sparsity": 0.5, "pattern": "cube"}, "pattern='cube'"),
        ({"sparsity": 0.5, "scope": "local"}, "scope='local'"),
        ({"sparsity": 0.5, "criterion": "luck"}, "criterion='luck'"),
        ({"sparsity": 0.5, "group_norm": "l3"}, "group_norm='l3'"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        draw_omp(network(), **options)


@pytest.mark.parametrize("pattern", GROUPED)
@pytest.mark.parametrize("scope", get_args(Scope))
def test_a_ticket_drawn_from_a_ticket_is_a_part_of_it(pattern, scope):
    params = network()
    first = draw_omp(params, 0.5, pattern=pattern, scope=scope)
    left = masks.apply(first, params)
    second = draw_omp(left, 0.8, pattern=pattern, scope=scope, start=first)
    for name in ("conv1", "conv2"):
        assert (kernel_mask(first, name) | ~kernel_mask(second, name)).all()
    assert masks.sparsity(second) > masks.sparsity(first)
    direct = draw_omp(params, 0.8, pattern=pattern, scope=scope)
    np.testing.assert_array_equal(kernel_mask(second, "conv1"), kernel_mask(direct, "conv1"))


def test_what_a_ticket_lacks_cannot_be_drawn_from_it():
    params = network()
    start = draw_omp(params, 0.9)
    with pytest.raises(InputError, match=r"sparsity=0\.5 .*conv"):
        draw_omp(params, 0.5, start=start)


def test_excluded_layers_keep_the_mask_they_had():
    start = draw_omp(network(), 0.5)
    with pytest.warns(DrawWarning, match="conv2/kernel .*not prunable.* 61 of"):
        mask = draw_omp(network(), 0.9, exclude="conv2/.*", start=start)
    np.testing.assert_array_equal(kernel_mask(mask, "conv2"), kernel_mask(start, "conv2"))


def test_excluded_layers_that_are_dense_are_not_counted():
    params = network()
    mask = draw_omp(params, 0.75, exclude="conv2/.*", start=masks.full(params))
    assert masks.sparsity(mask) == 0.75
    assert kernel_mask(mask, "conv2").shape == ()


@pytest.mark.parametrize("pattern", GROUPED)
def test_chance_treats_layers_with_small_and_large_groups_alike(pattern):
    generator = np.random.default_rng(0)
    params = {
        "large": {"kernel": generator.standard_normal((3, 3, 32, 400), np.float32)},
        "small": {"kernel": generator.standard_normal((1, 1, 32, 400), np.float32)},
    }
    mask = draw_omp(params, 0.75, pattern=pattern, criterion="random")
    kept = [kernel_mask(mask, name).mean() for name in ("large", "small")]
    np.testing.assert_allclose(kept, 0.25, atol=0.06)


def test_random_tickets_differ_by_seed_and_keep_the_budget():
    first, second = (draw_omp(network(), 0.9, criterion="random", seed=s) for s in (0, 1))
    assert masks.sparsity(first) == masks.sparsity(second) == pytest.approx(0.9, abs=1e-3)
    assert masks.overlap(first, second)[""] < 0.2


@pytest.mark.parametrize("scope", get_args(Scope))
@pytest.mark.parametrize("pattern", [*GROUPED, "2:4"])
def test_every_option_can_be_configured(scope, pattern):
    values = {"scope": scope, "pattern": pattern}
    chosen = config_files.parse(config.DrawConfig, values)
    assert (chosen.scope, chosen.pattern) == (scope, pattern)


def test_a_bad_pattern_in_a_configuration_is_named():
    with pytest.raises(InputError, match="pattern='block:4'"):
        config_files.parse(config.DrawConfig, {"pattern": "block:4"})
