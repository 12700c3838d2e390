"""Wide residual networks and EfficientNet-Lite0: published sizes, masks, patterns, training."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models
from rtickets.config import ModelConfig
from rtickets.draw import draw_omp
from rtickets.errors import InputError
from rtickets.models.settings import Arch

TINY = {
    "wide_resnet28_10": 1 / 80,
    "preact_resnet18": 1 / 32,
    "efficientnet_lite0": 1 / 8,
    "resnet50_thin": 1 / 16,
}


def parameter_count(arch, num_classes, **options):
    model = models.build(arch, num_classes, **options)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


# The counts of torchvision, RobustBench and TensorFlow.
@pytest.mark.parametrize(
    ("arch", "num_classes", "count"),
    [
        ("wide_resnet50_2", 1000, 68_883_240),
        ("wide_resnet28_10", 10, 36_479_194),
        ("wide_resnet34_10", 10, 46_160_474),
        ("efficientnet_lite0", 1000, 4_652_008),
        ("resnet50_thin", 2, 5_904_578),
        ("wide_resnet40_2", 10, 2_243_546),
        ("wide_resnet70_16", 10, 266_796_506),
        ("preact_resnet18", 10, 11_172_170),
    ],
)
def test_parameter_counts_are_the_published_ones(arch, num_classes, count):
    assert parameter_count(arch, num_classes) == count


@pytest.mark.parametrize(
    ("arch", "variant", "count"),
    [
        ("preact_resnet18", "wong", 11_171_146),
        ("preact_resnet18", "kuangliu", 11_171_146),
        ("preact_resnet18", "deepmind", 12_548_426),  # whose shortcuts have 3x3 kernels
        ("preact_resnet34", "deepmind", 22_656_586),
        ("wide_resnet82_8", "deepmind", 79_125_466),
        ("wide_resnet94_16", "deepmind", 365_915_610),
        ("resnet50", "caffe", 25_557_032 - 990 * 2049),
    ],
)
def test_parameter_counts_of_variants_are_the_published_ones(arch, variant, count):
    assert parameter_count(arch, 10, variant=variant) == count


def drawn(model):
    """Return random weights and statistics; NumPy makes them sooner than XLA compiles them."""
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 16, 16, 1)))
    generator = np.random.default_rng(0)

    def draw(leaf):
        bound = (6 / np.prod(leaf.shape[:-1])) ** 0.5
        low, high = (-bound, bound) if leaf.ndim > 1 else (0.5, 1.0)
        return jnp.asarray(generator.uniform(low, high, leaf.shape), jnp.float32)

    leaves = jax.tree.map(draw, shapes)
    return leaves["params"], leaves["batch_stats"]


@pytest.fixture(scope="module", params=TINY)
def tiny(request):
    arch = request.param
    stem = None if arch == "resnet50_thin" else "small"
    model = models.build(arch, 5, width=TINY[arch], stem=stem, mean=(0.4,), std=(0.3,))
    return model, *drawn(model)


def test_every_architecture_of_the_configuration_is_built():
    for arch in get_args(Arch):
        config = ModelConfig(arch=arch, stem="small")
        model = models.build(config.arch, 3, width=config.width, stem=config.stem)
        assert model.num_classes == 3
        assert hash(model) == hash(models.build(config.arch, 3, stem="small"))
        assert model.clone(axis_name="devices").axis_name == "devices"


def test_an_unknown_architecture_or_stem_is_named():
    with pytest.raises(InputError, match=r"arch='resnet19' .*resnet18"):
        models.build("resnet19", 3)
    with pytest.raises(InputError, match=r"stem='imagenet' .*wide_resnet28_10"):
        models.build("wide_resnet28_10", 3, stem="imagenet")


def test_kernels_outside_the_head_are_prunable_and_nothing_else(tiny):
    _, params, _ = tiny
    for path, leaf in masks.leaf_paths(masks.full(params)).items():
        assert bool(np.ndim(leaf)) == (path.endswith("kernel") and not path.startswith("head/"))


@pytest.mark.parametrize("pattern", ["element", "row", "kernel", "channel", "block:4x4"])
def test_tickets_of_every_pattern_are_drawn_and_run(tiny, pattern):
    model, params, stats = tiny
    mask = draw_omp(params, 0.5, pattern=pattern)
    assert masks.sparsity(mask) == pytest.approx(0.5, abs=0.02)
    x = jax.random.uniform(jax.random.key(1), (2, 16, 16, 1))
    logits = jax.jit(lambda p: models.logits(model, p, stats, x))(masks.apply(mask, params))
    assert logits.shape == (2, 5)
    assert np.isfinite(logits).all()


def test_statistics_are_used_and_updated_in_training_alone(tiny):
    model, params, stats = tiny
    x = jax.random.uniform(jax.random.key(1), (4, 16, 16, 1))
    _, updated = jax.jit(lambda p: models.training_logits(model, p, stats, x))(params)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), stats, updated)
    assert all(jax.tree.leaves(moved))
    logits = jax.jit(lambda x: models.logits(model, params, stats, x))
    np.testing.assert_allclose(logits(x)[:1], logits(x[:1]), atol=1e-5)


def test_bfloat16_compute_keeps_weights_and_logits_in_float32(tiny):
    model, params, stats = tiny
    x = jax.random.uniform(jax.random.key(1), (2, 16, 16, 1))
    exact = jax.jit(lambda p: models.logits(model, p, stats, x))(params)
    narrow = model.clone(dtype=jnp.bfloat16)
    rounded = jax.jit(lambda p: models.logits(narrow, p, stats, x))(params)
    assert rounded.dtype == jnp.float32
    np.testing.assert_allclose(rounded, exact, atol=0.05 * np.abs(exact).max())
    assert not np.array_equal(rounded, exact)


def features(model, size):
    _, state = jax.eval_shape(
        lambda x: model.init_with_output(jax.random.key(0), x, capture_intermediates=True),
        jnp.zeros((2, size, size, 3)),
    )
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(state["intermediates"]):
        found[jax.tree_util.keystr(path, simple=True, separator="/").split("/__call__")[0]] = leaf
    return {name: leaf.shape[1:] for name, leaf in found.items() if leaf.ndim == 4}


def test_wide_networks_halve_the_resolution_twice():
    shapes = features(models.build("wide_resnet28_10", 3, width=1 / 160), 32)
    assert shapes["stage1_block4"] == (32, 32, 1)
    assert shapes["stage3_block4"] == (8, 8, 4)


@pytest.mark.parametrize(("stem", "size"), [("imagenet", 2), ("small", 4)])
def test_lite0_divides_the_resolution_by_32_or_by_16(stem, size):
    shapes = features(models.build("efficientnet_lite0", 3, width=1 / 8, stem=stem), 64)
    assert shapes["stage7_block1"] == (size, size, 40)
    assert shapes["stage5_block1/depthwise_conv"][2] == 60  # 6 times the 80 / 8 features before


@pytest.mark.parametrize(
    ("arch", "first", "second"), [("resnet50", 16, 8), ("resnet50_thin", 8, 8)]
)
def test_where_a_bottleneck_strides(arch, first, second):
    shapes = features(models.build(arch, 3, width=1 / 16, stem="small"), 16)
    assert shapes["stage2_block1/conv1"][0] == first
    assert shapes["stage2_block1/conv2"][0] == second


def test_the_inner_layers_of_a_wide_bottleneck_have_twice_the_features():
    shapes = features(models.build("wide_resnet50_2", 3, width=1 / 16, stem="small"), 16)
    assert [shapes[f"stage1_block1/conv{i}"][2] for i in (1, 2, 3)] == [8, 8, 16]
    assert shapes["stage1_block2"][2] == 16


def test_the_max_pool_of_the_thin_network_pads_the_end_alone():
    plain, thin = (models.build(arch, 3, width=1 / 16) for arch in ("resnet50", "resnet50_thin"))
    assert (plain.pool_padding, thin.pool_padding) == ("symmetric", "end")
    assert (thin.width, thin.stem_features) == (2, 4)
    assert features(thin, 64)["stage1_block1/conv1"] == (16, 16, 2)
