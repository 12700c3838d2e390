"""Every control keeps the sparsity of every layer exactly, or refuses."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtickets import masks
from rtickets.draw import draw_omp
from rtickets.draw.controls import OTHER_WEIGHTS, control_mask
from rtickets.errors import InputError

PATTERNS = ["element", "row", "kernel", "channel", "block:2x3", "block:4x4", "2:4", "1:4"]
CONTROLS = ["random", "shuffled", "complement", "flipped", "mask_noise", *OTHER_WEIGHTS]
LAYOUTS = {"stack/kernel": "sio", "attention/kernel": "ioo"}


def network(seed=0):
    generator = np.random.default_rng(seed)
    shapes = {"conv": (3, 3, 4, 6), "dense": (8, 5), "stack": (3, 4, 5), "attention": (8, 2, 3)}
    return {name: {"kernel": generator.standard_normal(shape)} for name, shape in shapes.items()}


def counts(mask):
    """Return the survivors of every layer, of a stack those of every copy."""
    found = {path: int(leaf.sum()) for path, leaf in masks.leaf_paths(mask).items()}
    return {**found, "copies": np.sum(mask["stack"]["kernel"], (1, 2)).tolist()}


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PATTERNS), st.sampled_from(["global", "uniform", "erk"]), st.floats(0, 0.97),
    st.sampled_from(CONTROLS), st.sampled_from(PATTERNS), st.floats(0, 1), st.integers(0, 9),
)  # fmt: skip
def test_the_sparsity_is_kept_or_the_mask_is_refused(
    drawn_in, scope, sparsity, control, pattern, fraction, seed
):
    params = network(seed)
    sparsity = {"2:4": 0.5, "1:4": 0.75}.get(drawn_in, sparsity)
    mask = draw_omp(params, sparsity, drawn_in, scope, layouts=LAYOUTS)
    options = {"pattern": pattern, "params": params, "layouts": LAYOUTS}
    try:
        made = control_mask(mask, control, seed, fraction, **options)
    except InputError:
        broken = control in ("shuffled", "flipped", "mask_noise") and pattern[0].isdigit()
        broken = broken or (control == "shuffled" and pattern.startswith("block"))
        in_groups = control in ("random", "flipped", "mask_noise")
        assert broken or (in_groups and drawn_in != pattern)
        return
    assert jax.tree.structure(made) == jax.tree.structure(mask)
    if control == "complement":
        made = jax.tree.map(np.logical_not, made)
    assert counts(made) == counts(mask)


@pytest.mark.parametrize("control", ["random", "flipped"])
@pytest.mark.parametrize("pattern", ["row", "channel", "block:2x3"])
def test_a_mask_of_single_weights_has_no_control_in_groups(control, pattern):
    params = {"a": {"kernel": np.random.default_rng(0).standard_normal((3, 3, 4, 6))}}
    mask = draw_omp(params, 0.6)
    with pytest.raises(InputError, match=rf"a/kernel .*in part.*pattern='{pattern}'"):
        control_mask(mask, control, 0, pattern=pattern)


@pytest.mark.parametrize("shape", [(8, 6), (6, 8), (2, 2)])
def test_a_mask_of_single_weights_has_no_control_of_n_of_m(shape):
    keep = np.arange(np.prod(shape)).reshape(shape) % 3 == 0
    with pytest.raises(InputError, match=r"2 of every 4 .*a/kernel"):
        control_mask({"a": {"kernel": keep}}, "random", 0, pattern="2:4")


def test_blocks_at_the_edges_change_places_among_themselves():
    keep = np.zeros((5, 7), bool)
    keep[4:, 6:] = True  # the corner of blocks of 2x3 has one weight
    keep[:2, :3] = True
    for seed in range(20):
        made = control_mask({"a": {"kernel": keep}}, "random", seed, pattern="block:2x3")
        assert made["a"]["kernel"][4, 6]
        assert made["a"]["kernel"].sum() == 7
