"""Convolutions by oneDNN are those of XLA, and who asks in vain is told."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rtickets import models
from rtickets.costs.network_costs import network_cost
from rtickets.errors import InputError
from rtickets.models import narrow, onednn
from rtickets.models.onednn import build, convolution
from rtickets.models.settings import ModelConfig
from rtickets.runs import environment

LAYOUT = ("NHWC", "HWIO", "NHWC")
CASES = {
    "same": ((5, 8, 6, 3), (3, 3, 3, 5), (1, 1), "SAME"),
    "strides": ((3, 9, 7, 4), (3, 3, 4, 8), (2, 2), [(1, 1), (1, 1)]),
    "shortcut": ((4, 8, 8, 4), (1, 1, 4, 8), (2, 2), [(0, 0), (0, 0)]),
    "stem": ((2, 16, 16, 3), (7, 7, 3, 8), (2, 2), [(3, 3), (3, 3)]),
    "one image": ((1, 8, 8, 16), (3, 3, 16, 16), (2, 2), "SAME"),
    "uneven": ((2, 5, 6, 2), (2, 3, 2, 3), (1, 2), [(0, 1), (2, 0)]),
}
needs_it = pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")


@pytest.fixture
def on(monkeypatch):
    """OneDNN is asked for, and there."""
    try:
        build.built()
    except InputError as error:
        pytest.skip(str(error))
    monkeypatch.setenv(build.SETTING, "1")
    build._registered.cache_clear()
    jax.clear_caches()  # networks that were traced before
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def _anew():
    convolution._say_once.cache_clear()
    yield
    build._registered.cache_clear()


def both(case):
    """Return images, a kernel, and the convolution by oneDNN and by XLA."""
    shape, kernel, strides, padding = CASES[case]
    draw = np.random.default_rng(0).standard_normal
    given = jnp.asarray(draw(shape), jnp.float32), jnp.asarray(draw(kernel), jnp.float32)
    options = {"dimension_numbers": LAYOUT}
    return (
        given,
        lambda x, k: narrow.convolve(x, k, strides, padding, lhs_dilation=(1, 1), **options),
        lambda x, k: lax.conv_general_dilated(x, k, strides, padding, **options),
    )


def same(ours, theirs, *given):
    for a, b in zip(*(jax.tree.leaves(jax.jit(f)(*given)) for f in (ours, theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=3e-6 * abs(b).max())


def slopes(conv):
    return jax.grad(lambda x, k: jnp.sin(conv(x, k)).sum(), (0, 1))


@needs_it
@pytest.mark.parametrize("case", CASES)
def test_it_convolves_and_has_gradients(on, case):
    given, ours, theirs = both(case)
    assert "rtickets_convolve" in jax.jit(ours).lower(*given).as_text()
    same(ours, theirs, *given)
    same(slopes(ours), slopes(theirs), *given)
    np.testing.assert_array_equal(ours(*given), jax.jit(ours)(*given))


@needs_it
def test_it_has_derivatives_forward_and_of_second_order(on):
    given, ours, theirs = both("strides")
    same(
        *(lambda x, k, c=c: jax.jvp(c, (x, k), (k.sum() * x, k))[1] for c in (ours, theirs)), *given
    )
    same(*(lambda x, k, c=c: jax.jvp(slopes(c), (x, k), (x, k))[1] for c in (ours, theirs)), *given)
    same(
        *(jax.grad(lambda x, k, c=c: (slopes(c)(x, k)[0] ** 2).sum()) for c in (ours, theirs)),
        *given,
    )


@needs_it
def test_it_maps_over_images_and_leaves_several_kernels_to_xla(on, capsys):
    (x, kernel), ours, theirs = both("same")
    images, kernels = jnp.stack([x, 2 * x, -x]), jnp.stack([kernel, -kernel, 3 * kernel])
    for axes, given in (((0, None), (images, kernel)), ((0, 0), (images, kernels))):
        mapped = [jax.vmap(conv, axes) for conv in (ours, theirs)]
        text = jax.jit(mapped[0]).lower(*given).as_text()
        assert ("rtickets_convolve" in text) == (axes[1] is None)
        assert ("not oneDNN's" in capsys.readouterr().err) == (axes[1] is not None)
        same(*mapped, *given)
        convolution._say_once.cache_clear()
    same(
        *(jax.vmap(slopes(conv), (3, None)) for conv in (ours, theirs)),
        jnp.stack([x, -x], 3),
        kernel,
    )


@needs_it
def test_networks_answer_alike_cost_the_same_and_lower_for_other_platforms(on, monkeypatch):
    model = models.build("resnet18", 10, width=0.125, stem="small")
    x = jax.random.uniform(jax.random.key(0), (3, 8, 8, 3))
    variables = model.init(jax.random.key(1), x)
    here, cost = model.apply(variables, x), network_cost(ModelConfig(width=0.5), 7, (8, 8, 3))
    assert environment.current()["convolutions"] == "oneDNN"
    text = jax.jit(model.apply).trace(variables, x).lower(lowering_platforms=("tpu",)).as_text()
    assert "rtickets_convolve" not in text
    monkeypatch.delenv(build.SETTING)
    jax.clear_caches()
    network_cost.cache_clear()
    np.testing.assert_allclose(here, model.apply(variables, x), rtol=1e-4, atol=1e-5)
    assert cost == network_cost(ModelConfig(width=0.5), 7, (8, 8, 3))
    assert "convolutions" not in environment.current()


def test_who_asks_in_vain_is_told_why_once(monkeypatch, capsys):
    monkeypatch.setenv(build.SETTING, "1")
    monkeypatch.setitem(build._FILES, "no-such-package-here", "libdnnl.so.3")
    build._registered.cache_clear()
    given, ours, theirs = both("same")
    for _ in range(2):
        np.testing.assert_allclose(ours(*given), theirs(*given), atol=1e-5)
    said = capsys.readouterr().err
    assert said.count(build.SETTING) == 1
    assert "rtickets[onednn]" in said or "g++" in said


def test_a_missing_compiler_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(InputError, match=r"g\+\+"):
        build._compile(tmp_path / "a", tmp_path, tmp_path / "b")


def test_a_compiler_that_fails_leaves_nothing(monkeypatch, tmp_path):
    if shutil.which("g++") is None:
        pytest.skip("there is no g++")
    monkeypatch.setattr(build, "_SOURCE", tmp_path / "none.cc")
    with pytest.raises(InputError, match=r"none\.cc"):
        build._compile(tmp_path / "a", tmp_path, tmp_path / "b")
    assert not list(tmp_path.iterdir())


def test_another_setting_is_refused(monkeypatch):
    monkeypatch.setenv(build.SETTING, "yes")
    with pytest.raises(InputError, match=r"RTICKETS_ONEDNN='yes'.*0 or 1"):
        onednn.is_on()
