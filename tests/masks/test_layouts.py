import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets.errors import InputError
from rtickets.masks.layouts import Layout, from_canonical, join, split, split_shapes, to_canonical


@settings(max_examples=200)
@given(data=st.data())
def test_the_canonical_view_is_the_kernel_transposed_and_flattened(kernels, data):
    seen = data.draw(kernels())
    layout = Layout(seen.roles)
    view = to_canonical(seen.kernel, layout)
    np.testing.assert_array_equal(view, seen.canonical)
    back = from_canonical(view, layout, seen.kernel.shape)
    np.testing.assert_array_equal(back, seen.kernel)


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_arrays_of_jax_have_the_same_views(kernels, data):
    seen = data.draw(kernels())
    layout = Layout(seen.roles)
    view = to_canonical(jnp.asarray(seen.kernel), layout)
    np.testing.assert_array_equal(view, seen.canonical)
    back = from_canonical(view, layout, seen.kernel.shape)
    np.testing.assert_array_equal(back, seen.kernel)
    layers = split({"k": jnp.asarray(seen.kernel)}, {"k": layout})
    joined = join(layers, {"k": seen.kernel.shape}, {"k": layout})
    assert isinstance(joined["k"], jnp.ndarray)
    np.testing.assert_array_equal(joined["k"], seen.kernel)


def test_a_canonical_kernel_is_returned_itself():
    for roles, shape in (("hwio", (3, 3, 4, 8)), ("io", (4, 8)), ("wio", (3, 4, 8))):
        kernel = np.zeros(shape)
        assert to_canonical(kernel, Layout(roles)) is kernel
        assert from_canonical(kernel, Layout(roles), shape) is kernel
        assert split({"k": kernel}, {"k": Layout(roles)})["k"] is kernel


def test_attention_literally():
    query = np.arange(24).reshape(2, 3, 4)  # 2 inputs, 3 heads of 4
    np.testing.assert_array_equal(to_canonical(query, Layout("ioo")), np.arange(24).reshape(2, 12))
    out = np.arange(24).reshape(3, 4, 2)  # 3 heads of 4, 2 outputs
    np.testing.assert_array_equal(to_canonical(out, Layout("iio")), np.arange(24).reshape(12, 2))


@settings(max_examples=50)
@given(data=st.data())
def test_every_copy_of_a_stack_is_a_layer_and_all_are_put_back(kernels, data):
    first, second = data.draw(kernels()), data.draw(kernels())
    leaves = {"a": first.kernel, "b": second.kernel}
    layouts = {"a": Layout(first.roles), "b": Layout(second.roles)}
    shapes = {path: leaf.shape for path, leaf in leaves.items()}
    layers = split(leaves, layouts)
    expected = {}
    for path, seen in (("a", first), ("b", second)):
        copies = enumerate(seen.canonical)
        stacked = {f"{path}[{index}]": copy for index, copy in copies}
        expected |= stacked if "s" in seen.roles else {path: seen.canonical}
    assert list(layers) == list(expected)
    for path, layer in expected.items():
        np.testing.assert_array_equal(layers[path], layer)
    assert split_shapes(shapes, layouts) == {path: layer.shape for path, layer in expected.items()}
    for path, leaf in join(layers, shapes, layouts).items():
        np.testing.assert_array_equal(leaf, leaves[path])


def test_two_stacks_count_in_their_order():
    kernel = np.arange(24).reshape(2, 2, 3, 2)
    layers = split({"k": kernel}, {"k": Layout("ssio")})
    assert list(layers) == ["k[0]", "k[1]", "k[2]", "k[3]"]
    np.testing.assert_array_equal(layers["k[2]"], kernel[1, 0])


def test_kernels_without_weights_and_of_unknown_layout_stay_as_they_are():
    leaves = {"a": np.zeros((0, 3, 4), bool), "b": np.zeros((3, 8, 4)), "c": np.zeros((2, 0, 4))}
    layouts = {"a": Layout("sio"), "b": None, "c": Layout("sio")}
    layers = split(leaves, layouts)
    assert list(layers) == ["b"]
    joined = join(layers, {path: leaf.shape for path, leaf in leaves.items()}, layouts)
    assert {path: leaf.shape for path, leaf in joined.items()} == {
        path: leaf.shape for path, leaf in leaves.items()
    }


@pytest.mark.parametrize("roles", ["", "i", "oo", "hhio", "hwxo", "HWIO", "h w i o", "sss"])
def test_what_is_no_layout_is_named(roles):
    with pytest.raises(InputError, match=f"layout '{roles}'.*such as 'hwio'"):
        Layout(roles)


def test_space_is_ordered_by_its_letters():
    """A row runs along the width, wherever that stands."""
    array = np.arange(4 * 8 * 2 * 3).reshape(4, 8, 2, 3)
    turned = to_canonical(array, Layout("oiwh"))
    np.testing.assert_array_equal(turned, array.transpose(3, 2, 1, 0))
    np.testing.assert_array_equal(from_canonical(turned, Layout("oiwh"), array.shape), array)
    assert Layout("whdio").order == (2, 1, 0, 3, 4)
