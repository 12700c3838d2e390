import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import models
from rtickets.errors import InputError
from rtickets.models import ARCHITECTURES

DILATING = [name for name, entry in ARCHITECTURES.items() if entry.dilates]


def features(arch, stem, shape, stride=None, variant=None):
    """Return the levels of a network that differs from others by its output stride alone."""
    options = {"width": 1 / 32, "stem": stem, "variant": variant}
    usual = models.build(arch, 3, **options)
    params, state = models.initialise(usual, jax.random.key(0), shape)
    # Statistics of their own, so that a shifted or repeated place would show.
    state = jax.tree.map(lambda each: each + 0.1 * jnp.arange(each.size), state)
    network = models.build(arch, 3, **options, output_stride=stride)
    x = jax.random.uniform(jax.random.key(1), (2, *shape))
    run = jax.jit(lambda x: models.features(network, params, state, x)[0].levels)
    return run(x)


@pytest.mark.parametrize(
    ("arch", "variant"), [("resnet18", None), ("resnet50", None), ("resnet50", "caffe")]
)
@pytest.mark.parametrize(("stem", "stride", "usual"), [("imagenet", 8, 32), ("small", 2, 8)])
@pytest.mark.parametrize("size", [(48, 64), (41, 53)])
def test_dilated_levels_are_the_usual_ones_where_both_are_defined(
    arch, variant, stem, stride, usual, size
):
    shape = (*size, 3) if stem == "imagenet" else (*(side // 4 for side in size), 3)
    before = features(arch, stem, shape, variant=variant)
    after = features(arch, stem, shape, stride, variant)
    assert after["stage4"].shape[1] == -(-shape[0] // stride)
    for level, known in before.items():
        halved = max(int(level.removeprefix("stage").replace("stem", "1")) - 1, 0)
        step = max(1, usual // 8 * 2**halved // stride)
        there = after[level][:, ::step, ::step]
        np.testing.assert_allclose(there, known, rtol=2e-4, atol=2e-4)
    assert before["stage4"].shape[1] == -(-shape[0] // usual)


@pytest.mark.parametrize("arch", DILATING)
def test_the_usual_stride_changes_nothing(arch):
    one, two = (
        models.build(arch, 3, width=1 / 32, stem="imagenet", output_stride=stride)
        for stride in (None, 32)
    )
    x = jnp.zeros((1, 32, 32, 3))
    programs = [
        str(jax.make_jaxpr(lambda x, net=net: net.init_with_output(jax.random.key(0), x))(x))
        for net in (one, two)
    ]
    assert programs[0] == programs[1]


def test_networks_that_cannot_dilate_and_odd_strides_are_refused():
    for arch in set(ARCHITECTURES) - set(DILATING):
        with pytest.raises(InputError, match="output_stride=8"):
            models.build(arch, 3, output_stride=8)
    with pytest.raises(InputError, match="output_stride=12"):
        models.build("resnet18", 3, output_stride=12)
    for stem, stride in (("small", 16), ("imagenet", 2)):
        with pytest.raises(InputError, match=f"output_stride={stride}.*{stem}"):
            models.build("resnet18", 3, stem=stem, output_stride=stride)
