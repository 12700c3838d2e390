from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import masks, models


def parameter_count(arch, **options):
    model = models.build(arch, 1000, **options)
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


# The counts of the published networks with 1,000 classes.
@pytest.mark.parametrize(
    ("arch", "count"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
    ],
)
def test_parameter_counts_are_the_published_ones(arch, count):
    assert parameter_count(arch) == count


def tiny(**options):
    model = models.build("resnet18", 5, width=0.0625, stem="small", **options)
    return model, *models.initialise(model, jax.random.key(0), (16, 16, 1))


def test_width_scales_every_layer():
    model, params, _ = tiny()
    assert model.width == 4
    assert params["stem_conv"]["kernel"].shape == (3, 3, 1, 4)
    assert params["stage4_block2"]["conv2"]["kernel"].shape == (3, 3, 32, 32)
    assert params["head"]["kernel"].shape == (32, 5)


def test_default_prunable_is_every_convolution_and_nothing_else():
    _, params, _ = tiny()
    chosen = [path for path, leaf in masks.leaf_paths(masks.full(params)).items() if leaf.ndim]
    assert len(chosen) == 20  # 17 convolutions on the main path and 3 shortcuts
    assert all("conv" in path and path.endswith("kernel") for path in chosen)


@pytest.mark.parametrize("arch", ["resnet18", "resnet50"])
def test_the_imagenet_stem_divides_the_resolution_by_32(arch):
    model = models.build(arch, 3, width=0.0625)
    _, state = jax.eval_shape(
        lambda x: model.init_with_output(jax.random.key(0), x, capture_intermediates=True),
        jnp.zeros((2, 64, 64, 3)),
    )
    last = "stage4_block2" if arch == "resnet18" else "stage4_block3"
    (features,) = state["intermediates"][last]["__call__"]
    assert features.shape == (2, 2, 2, 32 if arch == "resnet18" else 128)


def test_pixels_are_normalised_inside():
    plain, params, stats = tiny()
    normalising = plain.clone(mean=(0.25,), std=(0.5,))
    variables = {"params": params, "batch_stats": stats}
    x = jax.random.uniform(jax.random.key(1), (2, 16, 16, 1))
    expected = jax.jit(plain.apply)(variables, (x - 0.25) / 0.5)
    np.testing.assert_allclose(jax.jit(normalising.apply)(variables, x), expected, atol=1e-6)


def test_bfloat16_compute_keeps_weights_statistics_and_logits_in_float32():
    model, params, stats = tiny(precision="bfloat16")
    x = jax.random.uniform(jax.random.key(1), (4, 16, 16, 1))
    variables = {"params": params, "batch_stats": stats}
    training = jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))
    logits, updated = training(variables, x)
    assert logits.dtype == jnp.float32
    leaves = jax.tree.leaves((params, updated))
    assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
    exact = jax.jit(model.clone(dtype=jnp.float32).apply)(variables, x)
    rounded = jax.jit(model.apply)(variables, x)
    np.testing.assert_allclose(rounded, exact, atol=0.05)
    assert not np.array_equal(rounded, exact)


def test_statistics_are_used_and_updated_in_training_alone():
    model, params, stats = tiny()
    x = jax.random.uniform(jax.random.key(1), (4, 16, 16, 1))
    variables = {"params": params, "batch_stats": stats}
    training = jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))
    _, updated = training(variables, x)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), stats, updated["batch_stats"])
    assert all(jax.tree.leaves(moved))
    frozen = jax.jit(model.apply)
    alone = frozen(variables, x[:1])
    np.testing.assert_allclose(frozen(variables, x)[:1], alone, atol=1e-5)
