"""Kernels without a survivor, counted by hand."""

import numpy as np

from rtickets.report.kernel_pictures import band_of, has_kernels, plot_zero_kernels
from rtickets.tickets.ticket import Ticket
from rtickets.tickets.zero_kernels import ZeroKernels, kernels_of, stage_of, zero_kernels


def network():
    """A stem of 7x7, a stage with 3x3 and 1x1 kernels, another one, and a dense layer."""
    shapes = {
        "stem_conv": (7, 7, 1, 4),
        "stage1_block1/conv1": (3, 3, 4, 6),
        "stage1_block2/conv1": (1, 1, 6, 5),
        "stage2_block1/conv1": (3, 3, 5, 2),
        "last": (2, 3),
    }
    mask = {}
    for path, shape in shapes.items():
        node = mask
        for part in path.split("/"):
            node = node.setdefault(part, {})
        node["kernel"] = np.ones(shape, bool)
    return mask


def test_zero_kernels_are_counted_by_stage_and_size():
    mask = network()
    mask["stage1_block1"]["conv1"]["kernel"][:, :, 0, :5] = False  # 5 of 24
    mask["stage1_block1"]["conv1"]["kernel"][:2, :, 1, :] = False  # a row is left of these
    mask["stage1_block2"]["conv1"]["kernel"][0, 0, 2, :3] = False  # 3 of 30 of 1x1
    mask["stem_conv"]["kernel"][..., 1] = False
    assert zero_kernels(mask) == {
        "stage1": ZeroKernels(54, 8, 24, 5),
        "stage2": ZeroKernels(10, 0, 10, 0),
        "stem": ZeroKernels(4, 1, 0, 0),
    }


def test_kernels_come_with_all_their_positions():
    mask = network()
    mask["stage2_block1"]["conv1"]["kernel"][1, 2, 3, 1] = False
    found = dict(kernels_of(mask))
    alive = found["stage2_block1/conv1/kernel"]
    assert alive.shape == (5, 2, 9)
    assert alive[3, 1].sum() == 8
    assert "last/kernel" not in found
    assert len(found) == 4


def test_stages_are_read_off_paths():
    assert [stage_of(p) for p in ("stage3_block1/conv2/kernel", "stem_conv/kernel", "top/kernel")] \
        == ["stage3", "stem", "rest"]  # fmt: skip


def test_a_band_holds_the_share_of_its_kernels():
    zero = np.zeros(96 * 12 * 2 - 1, bool)  # two kernels a cell, one in the last
    zero[0] = zero[2] = zero[3] = zero[-1] = True
    band = band_of(zero)
    assert band.shape == (12, 96)
    assert list(band[0, :3]) == [0.5, 1.0, 0.0]
    assert band[-1, -1] == 1.0
    small = band_of(np.array([True, False]))
    assert small.shape == (1, 96)
    assert np.isnan(small[0, 2:]).all()


def test_a_picture_is_drawn_of_convolutions_alone():
    mask = network()
    ticket = Ticket(mask, _ones(mask))
    assert has_kernels(ticket)
    assert plot_zero_kernels(ticket).startswith(b"\x89PNG")
    dense = {"last": {"kernel": np.ones((2, 3), bool)}}
    assert not has_kernels(Ticket(dense, _ones(dense)))


def _ones(tree):
    if isinstance(tree, dict):
        return {name: _ones(each) for name, each in tree.items()}
    return np.ones(tree.shape, np.float32)
