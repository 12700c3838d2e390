"""What holds for every architecture of images: a backbone with levels, and a head on it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.config import ModelConfig
from rtickets.errors import InputError
from rtickets.models import ARCHITECTURES, BackboneAndHead, Features
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files

SHAPE = (16, 16, 1)
DEEP = {
    "resnet101", "resnet152", "wide_resnet70_16", "wide_resnet82_8", "wide_resnet94_16",
    "supernet_dense90", "supernet_dense180", "supernet_keypoints", "supernet_classes",
}  # fmt: skip
OF_IMAGES = [arch for arch, entry in ARCHITECTURES.items() if entry.images]
names = pytest.mark.parametrize(
    "arch", [pytest.param(arch, marks=[pytest.mark.slow] * (arch in DEEP)) for arch in OF_IMAGES]
)


def shapes_of(model, method=None):
    x = jnp.zeros((2, *SHAPE))
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), x[:1]))
    return variables, jax.eval_shape(lambda v: model.apply(v, x, method=method), variables)


@names
def test_features_are_taken_at_every_level_and_the_head_stands_on_them(arch):
    config = config_files.parse(ModelConfig, {"arch": arch, "width": 1 / 64})
    model = models.from_config(config, 5)
    assert isinstance(model, BackboneAndHead)
    variables, found = shapes_of(model, "features")
    assert isinstance(found, Features)
    levels = {name: level.shape for name, level in found.levels.items()}
    stages = {"stage1", "stage2"} | ({"stage3"} if arch != "supernet_nano" else set())
    assert {"stem"} | stages <= set(levels)
    assert all(len(shape) == 4 and shape[0] == 2 for shape in levels.values())
    width = variables["params"]["head"]["kernel"].shape[0]
    assert found.pooled.shape == (2, width)
    assert width in {shape[-1] for shape in levels.values()}
    assert set(variables["params"]["head"]) == {"kernel", "bias"}
    assert shapes_of(model)[1].shape == (2, 5)
    assert model.epsilon == models.epsilon_of(model) > 0


@names
def test_what_an_architecture_has_not_is_refused_by_the_configuration_and_by_build(arch):
    entry = ARCHITECTURES[arch]
    with pytest.raises(InputError, match=f"variant='other'.*{arch}"):
        models.build(arch, 3, variant="other")
    if entry.own_activation is not None:
        with pytest.raises(InputError, match="activation='silu'"):
            config_files.parse(ModelConfig, {"arch": arch, "activation": "silu"})
    if "imagenet" not in entry.stems:
        with pytest.raises(InputError, match=f"stem='imagenet'.*{arch}"):
            models.build(arch, 3, stem="imagenet")


@pytest.fixture(scope="module")
def small():
    model = ResNet((1, 1), BasicBlock, 3, width=4, stem="small")
    return model, *models.initialise(model, jax.random.key(0), SHAPE)


def test_a_call_is_the_head_on_the_features(small):
    model, params, stats = small
    x = jax.random.uniform(jax.random.key(1), (4, *SHAPE))
    found, _ = models.features(model, params, stats, x)
    np.testing.assert_array_equal(found.pooled, found.levels["stage2"].mean((1, 2)))
    expected = models.logits(model, params, stats, x)
    np.testing.assert_allclose(models.head(model, params, found), expected, rtol=1e-6)
    by_hand = found.pooled @ params["head"]["kernel"] + params["head"]["bias"]
    np.testing.assert_allclose(expected, by_hand, rtol=1e-5)
    after = models.features(model, params, stats, x, True)[1]
    expected = models.apply(model, params, stats, x, True)[1]
    jax.tree.map(np.testing.assert_array_equal, after, expected)


class Dense(nn.Module):
    """A head that answers at every place of a level."""

    classes: int

    @nn.compact
    def __call__(self, found):
        return nn.Conv(self.classes, (1, 1), name="out")(found.levels["stage1"])


def test_another_head_answers_something_else_on_the_same_backbone(small):
    model, params, stats = small
    dense = model.clone(make_head=Dense)
    own, _ = models.initialise(dense, jax.random.key(0), SHAPE)
    assert set(own) == set(params)
    for name in set(params) - {"head"}:
        jax.tree.map(np.testing.assert_array_equal, own[name], params[name])
    x = jnp.zeros((2, *SHAPE))
    assert models.apply(dense, own, stats, x)[0].shape == (2, 16, 16, 3)
    assert hash(dense) == hash(model.clone(make_head=Dense))
