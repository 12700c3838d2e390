import jax
import numpy as np
import pytest
from flax import linen as nn

from rtickets import masks, models
from rtickets.draw import draw_omp
from rtickets.errors import InputError
from rtickets.evaluation import Network
from rtickets.evaluation.recalibration import recalibrated
from rtickets.models.calling import apply
from rtickets.models.drop import dropout, layer_keys
from rtickets.models.resnet import BasicBlock, ResNet

IMAGES = np.random.default_rng(0).uniform(size=(24, 8, 8, 1)).astype(np.float32)
BATCHES = np.split(IMAGES, 3)


class Normalised(nn.Module):
    """One normalisation layer, whose statistics are those of the images."""

    momentum: float = 0.9

    @nn.compact
    def __call__(self, x, train=False):
        return nn.BatchNorm(not train, momentum=self.momentum, name="norm")(x)


@pytest.fixture(scope="module")
def network():
    model = ResNet((1, 1), BasicBlock, 3, width=4, stem="small", mean=(0.4,), std=(0.3,))
    return Network(model, *models.initialise(model, jax.random.key(0), (8, 8, 1)))


def initial(model):
    return Network(model, *models.initialise(model, jax.random.key(0), (8, 8, 1)))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.99])
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_statistics_of_a_layer_that_sees_the_images_are_theirs(momentum, shift):
    images = IMAGES.astype(np.float64) + np.arange(24)[:, None, None, None] + shift
    batches = np.split(images.astype(np.float32), 3)
    found = recalibrated(initial(Normalised(momentum)), batches)["norm"]
    np.testing.assert_allclose(found["mean"], [images.mean()], rtol=1e-5)
    np.testing.assert_allclose(found["var"], [images.var()], rtol=1e-4)


def test_after_one_batch_the_network_answers_as_in_training(network):
    stats = recalibrated(network, BATCHES[:1])
    trained, _ = apply(network.model, network.params, network.batch_stats, BATCHES[0], train=True)
    answers, _ = apply(network.model, network.params, stats, BATCHES[0])
    np.testing.assert_allclose(answers, trained, atol=1e-4)


def test_the_statistics_before_do_not_count(network):
    again = network._replace(batch_stats=jax.tree.map(lambda leaf: leaf + 3, network.batch_stats))
    once, twice = (recalibrated(each, BATCHES) for each in (network, again))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), once, twice)


def test_the_order_of_batches_does_not_count(network):
    once, other = recalibrated(network, BATCHES), recalibrated(network, BATCHES[::-1])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), once, other)


def test_a_kernel_before_a_normalisation_may_be_scaled(network):
    """What pruning does to the scale of a layer is undone; with the old statistics it is not."""
    scaled = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * 4 if "kernel" in str(path[-1]) and leaf.ndim == 4 else leaf,
        network.params,
    )
    other = network._replace(params=scaled)

    def answers(net, stats):
        return np.asarray(apply(net.model, net.params, stats, IMAGES)[0])

    right = answers(network, recalibrated(network, BATCHES))
    np.testing.assert_allclose(answers(other, recalibrated(other, BATCHES)), right, atol=2e-3)
    stale = answers(other, recalibrated(network, BATCHES))
    assert np.abs(stale - right).max() > 0.1


def test_dead_channels_keep_a_variance_of_zero_and_finite_answers(network):
    mask = draw_omp(network.params, 0.95, pattern="channel")
    ticket = network._replace(params=masks.apply(mask, network.params))
    stats = recalibrated(ticket, BATCHES)
    variances = [
        leaf
        for path, leaf in jax.tree_util.tree_flatten_with_path(stats)[0]
        if "var" in str(path[-1])
    ]
    assert min(leaf.min() for leaf in variances) == 0
    assert np.isfinite(apply(ticket.model, ticket.params, stats, IMAGES)[0]).all()


def test_batches_of_other_sizes_and_none_are_refused(network):
    with pytest.raises(InputError, match="no batches"):
        recalibrated(network, [])
    with pytest.raises(InputError, match="4, 8"):
        recalibrated(network, [IMAGES[:8], IMAGES[8:12]])


def test_a_state_that_is_no_mean_and_variance_is_refused(network):
    other = network._replace(batch_stats={"norm": {"scale": np.ones(3)}})
    with pytest.raises(InputError, match="'scale'"):
        recalibrated(other, BATCHES)


def test_a_network_without_statistics_has_none_afterwards():
    class Plain(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            del train
            return nn.Dense(2)(x.reshape(len(x), -1))

    assert recalibrated(initial(Plain()), BATCHES) == {}


def test_nothing_is_drawn():
    class Dropped(nn.Module):
        draws = True

        @nn.compact
        def __call__(self, x, train=False, keys=None):
            return nn.BatchNorm(not train, name="norm")(dropout(x, layer_keys(keys, 1), 0.5))

    found = recalibrated(initial(Dropped()), BATCHES)["norm"]
    np.testing.assert_allclose(found["var"], [IMAGES.var()], rtol=1e-4)
