"""Masks equal those of PyTorch's pruning; tests/golden/make_torch_masks.py wrote the file."""

from pathlib import Path

import numpy as np
import pytest

from rtickets.draw import draw_omp

GOLDEN = Path(__file__).parents[1] / "golden" / "torch_masks.npz"
LAYERS = range(3)


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def drawn(golden, **options):
    params = {f"layer{i}": {"kernel": golden[f"weight{i}"]} for i in LAYERS}
    mask = draw_omp(params, **options)
    return [mask[f"layer{i}"]["kernel"] for i in LAYERS]


@pytest.mark.parametrize("sparsity", [0.5, 0.9])
def test_global_magnitude_is_global_unstructured(golden, sparsity):
    for i, mask in enumerate(drawn(golden, sparsity=sparsity)):
        np.testing.assert_array_equal(mask, golden[f"global{sparsity}_{i}"])


def test_uniform_channels_in_l2_are_ln_structured(golden):
    options = {"pattern": "channel", "scope": "uniform", "group_norm": "l2"}
    for i, mask in enumerate(drawn(golden, sparsity=0.75, **options)):
        np.testing.assert_array_equal(mask, golden[f"ln_structured_{i}"])


@pytest.mark.parametrize("pattern", ["row", "kernel", "channel"])
def test_uniform_groups_in_l1_are_torch_group_sums(golden, pattern):
    for i, mask in enumerate(drawn(golden, sparsity=0.75, pattern=pattern, scope="uniform")):
        np.testing.assert_array_equal(mask, golden[f"{pattern}_{i}"])
