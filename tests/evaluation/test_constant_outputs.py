"""Outputs that are the same for every input, of a network whose dead outputs are put there."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.evaluation import Network
from rtickets.evaluation.constant_outputs import constant_outputs


class Small(nn.Module):
    """Two convolutions with normalisation, and a head."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, x, train=False):
        x = nn.Conv(4, (3, 3), use_bias=False, name="first")(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train, name="norm")(x))
        x = nn.Conv(6, (3, 3), name="second")(x)
        return nn.Dense(3, name="head")(nn.relu(x).mean((1, 2)))


IMAGES = np.random.default_rng(0).random((12, 8, 8, 1)).astype(np.float32)


@pytest.fixture
def network():
    model = Small()
    variables = model.init(jax.random.key(0), IMAGES[:1])
    stats = {"norm": {"mean": jnp.zeros(4), "var": jnp.ones(4)}}
    params = jax.tree.map(np.array, variables["params"])
    params["norm"]["bias"][:] = 0.3  # so that what follows sees something from every channel
    params["second"]["bias"][:] = 0.1
    return Network(model, params, stats)


def counts(network, *batches):
    return {each.path: (each.constant, each.total) for each in constant_outputs(network, batches)}


def test_a_sound_network_has_none(network):
    found = counts(network, IMAGES)
    assert found == {"first": (0, 4), "norm": (0, 4), "second": (0, 6), "head": (0, 3)}


def test_channels_without_a_weight_are_constant_whatever_their_bias(network):
    network.params["first"]["kernel"][..., [0, 2]] = 0
    network.params["second"]["kernel"][..., 5] = 0
    found = counts(network, IMAGES)
    assert found == {"first": (2, 4), "norm": (2, 4), "second": (1, 6), "head": (0, 3)}


def test_a_channel_that_normalisation_multiplies_by_zero_is_constant(network):
    network.params["norm"]["scale"][1] = 0
    assert counts(network, IMAGES)["norm"] == (1, 4)
    assert counts(network, IMAGES)["first"] == (0, 4)


def test_what_sees_nothing_but_constants_is_constant_though_places_differ(network):
    """Borders are padded, so that a convolution of a constant differs from place to place."""
    network.params["norm"]["scale"][:] = 0
    found = counts(network, IMAGES)
    assert found == {"first": (0, 4), "norm": (4, 4), "second": (6, 6), "head": (3, 3)}


def test_a_dead_rectifier_is_seen_where_it_leaves_nothing(network):
    network.params["norm"]["bias"][:] = -1e3
    assert counts(network, IMAGES)["second"] == (6, 6)


def test_all_batches_count(network):
    twice = np.repeat(IMAGES[:1], 4, 0)
    assert counts(network, twice)["first"] == (4, 4)
    assert counts(network, twice, IMAGES[1:2])["first"] == (0, 4)


def test_one_input_tells_nothing(network):
    with pytest.raises(InputError, match=r"1 inputs .*two or more"):
        constant_outputs(network, [IMAGES[:1]])
