import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import masks, models
from rtickets.draw.criteria import synflow, unit_statistics
from rtickets.errors import InputError


def chain(seed, sizes=(3, 4, 5, 2), scale=1.0):
    generator = np.random.default_rng(seed)
    return {
        f"layer{number}": {
            "kernel": scale * generator.standard_normal((inputs, outputs)).astype(np.float32),
            "bias": generator.standard_normal(outputs).astype(np.float32),
        }
        for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes))
    }


def chain_logits(params, x):
    for name in sorted(params):
        x = jax.nn.relu(x @ params[name]["kernel"] + params[name]["bias"])
    return x


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16))
def test_a_weight_scores_the_flow_through_it(seed):
    params = chain(seed)
    first, second, third = (np.abs(layer["kernel"]) for layer in params.values())
    scores = synflow(chain_logits, params, (3,))
    flow_in, flow_out = first.sum(0), third.sum(1)
    expected = flow_in[:, None] * second * flow_out / (first @ second @ third).sum()
    np.testing.assert_allclose(scores["layer1/kernel"], expected, rtol=1e-4)
    for score in scores.values():
        assert score.dtype == np.float64
        assert score.sum() == pytest.approx(1, rel=1e-4)


def test_the_flow_through_a_small_network_literally():
    params = {
        "layer0": {"kernel": np.array([[1.0, -2.0]], np.float32), "bias": np.ones(2)},
        "layer1": {"kernel": np.array([[-3.0], [0.5]], np.float32), "bias": np.ones(1)},
    }
    scores = synflow(chain_logits, params, (1,))
    np.testing.assert_allclose(scores["layer0/kernel"], [[3 / 4, 1 / 4]], rtol=1e-5)
    np.testing.assert_allclose(scores["layer1/kernel"], [[3 / 4], [1 / 4]], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-15, 1e-8, 1e8, 1e16])
def test_networks_whose_flow_is_out_of_the_range_of_float32_are_scored_all_the_same(scale):
    sizes = (3, 4, 4, 4, 2)
    expected = synflow(chain_logits, chain(0, sizes), (3,))
    scores = synflow(chain_logits, chain(0, sizes, scale), (3,))
    for path, score in scores.items():
        np.testing.assert_allclose(score, expected[path], rtol=1e-3)


def test_what_is_cut_off_scores_zero():
    params = chain(0)
    params["layer1"]["kernel"][1] = 0
    scores = synflow(chain_logits, params, (3,))
    np.testing.assert_array_equal(scores["layer0/kernel"][:, 1], 0)
    params["layer1"]["kernel"][:] = 0
    for score in synflow(chain_logits, params, (3,)).values():
        np.testing.assert_array_equal(score, 0)


def test_a_network_that_is_not_proportional_to_its_input_is_refused():
    def shifted(params, x):
        return chain_logits(params, x - 0.5)

    with pytest.raises(InputError, match="proportional"):
        synflow(shifted, chain(0), (3,))


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e38, 1e9])
def test_a_flow_that_float32_does_not_hold_is_refused(bad):
    params = chain(0, (3,) * 10)
    for layer in params.values():
        layer["kernel"][:] = bad
    with pytest.raises(InputError, match="float32"):
        synflow(chain_logits, params, (3,))


def test_a_residual_network_conserves_the_flow(tiny):
    model = tiny.model.clone(mean=(0.0,), std=(1.0,))
    statistics = unit_statistics(tiny.batch_stats)

    def logits_fn(params, x):
        return models.logits(model, params, statistics, x)

    scores = synflow(logits_fn, tiny.params, (8, 8, 1))
    sums = {path: float(score.sum()) for path, score in scores.items()}
    assert sums["stem_conv/kernel"] == pytest.approx(1, rel=1e-4)
    for block in ("stage1_block1", "stage2_block1"):
        through = sums[f"{block}/conv1/kernel"]
        assert 0 < through < 1
        assert sums[f"{block}/conv2/kernel"] == pytest.approx(through, rel=1e-4)
    beside = sums["stage2_block1/shortcut_conv/kernel"]
    assert sums["stage2_block1/conv1/kernel"] + beside == pytest.approx(1, rel=1e-4)


def test_pixel_normalisation_is_refused(tiny):
    def logits_fn(params, x):
        return models.logits(tiny.model, params, unit_statistics(tiny.batch_stats), x)

    with pytest.raises(InputError, match="pixel normalisation"):
        synflow(logits_fn, tiny.params, (8, 8, 1))


def test_unit_statistics_have_no_means_and_unit_variances():
    given_stats = {"norm": {"mean": jnp.full(3, 2.0), "var": jnp.full(3, 5.0)}}
    units = masks.leaf_paths(unit_statistics(given_stats))
    np.testing.assert_array_equal(units["norm/mean"], np.zeros(3))
    np.testing.assert_array_equal(units["norm/var"], np.ones(3))
