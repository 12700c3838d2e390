"""Files of arrays that are damaged, missing, or do not belong to their description."""

import numpy as np
import pytest
from safetensors.numpy import save

from rtickets.errors import InputError
from rtickets.tickets.ticket import Ticket, read_description
from tests.tickets.damaged.conftest import ONE, edit, forge

TENSORS = ["weights.safetensors", "mask.safetensors"]


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("position", [0, 9, -1])
def test_a_flipped_bit_is_found(saved, name, position):
    data = bytearray((saved / name).read_bytes())
    data[position] ^= 0x10
    (saved / name).write_bytes(bytes(data))
    with pytest.raises(InputError, match=f"{name} .*checksum"):
        Ticket.load(saved)


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize("length", [0, 7, 60])
def test_a_truncated_file_is_found(saved, name, length):
    (saved / name).write_bytes((saved / name).read_bytes()[:length])
    with pytest.raises(InputError, match=f"{name} .*checksum"):
        Ticket.load(saved)


@pytest.mark.parametrize("name", TENSORS)
def test_a_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(InputError, match=f"incomplete: {name} is missing"):
        Ticket.load(saved)


@pytest.mark.parametrize("name", ["other/kernel", "conv", "", "/"])
def test_arrays_beside_parameters_and_statistics_are_refused(saved, name):
    arrays = {"params/conv/kernel": np.ones(10), "params/conv/bias": np.ones(6), name: ONE}
    forge(saved, "weights.safetensors", save(arrays))
    with pytest.raises(InputError, match=r"damaged: .*'.*' beside params"):
        Ticket.load(saved)


@pytest.mark.parametrize("bit", [0, 1])
def test_a_mask_of_a_scalar_is_refused(saved, bit):
    arrays = {"params/conv/kernel": np.ones(bit), "params/conv/bias": np.ones(6)}
    forge(saved, "weights.safetensors", save(arrays))
    forge(saved, "mask.safetensors", save({"conv/kernel": np.array([bit << 7], np.uint8)}))
    edit(saved, shapes={"conv/kernel": []})
    with pytest.raises(InputError, match=r"is damaged: .*conv/kernel"):
        Ticket.load(saved)


@pytest.mark.parametrize("shape", [3, "ab", None, [2.5], [[5, 6]], [-5, -6], [5, 7], [True, 30]])
def test_a_shape_that_does_not_fit_is_refused(saved, shape):
    edit(saved, shapes={"conv/kernel": shape})
    with pytest.raises(InputError, match="conv/kernel"):
        Ticket.load(saved)


@pytest.mark.parametrize(
    "shape", [[2**33, 2**33], [2**33, 2**33, 0], [2**70], [1] * 65, [5, 6] + [1] * 63], ids=str
)
@pytest.mark.parametrize("size", [0, 1, 4])
def test_a_shape_that_no_array_can_have_is_refused(saved, shape, size):
    forge(saved, "mask.safetensors", save({"conv/kernel": np.zeros(size, np.uint8)}))
    edit(saved, shapes={"conv/kernel": shape})
    with pytest.raises(InputError, match=r"mask of conv/kernel .*shape"):
        Ticket.load(saved)


@pytest.mark.parametrize(
    "arrays",
    [
        {"params/conv": np.zeros(3)},
        {"params/conv/bias/more": np.zeros(3)},
        {"params": np.zeros(3)},
        {"batch_stats/mean/more": np.zeros(3), "batch_stats/mean": np.zeros(3)},
    ],
    ids=lambda arrays: next(iter(arrays)),
)
def test_a_path_that_is_both_an_array_and_a_folder_is_refused(saved, arrays):
    own = {"params/conv/kernel": np.ones(10, np.float32), "params/conv/bias": np.ones(6)}
    forge(saved, "weights.safetensors", save({**own, **arrays}))
    with pytest.raises(InputError, match=r"damaged: .*array and a folder"):
        Ticket.load(saved)


@pytest.mark.parametrize("name", ["params", "batch_stats"])
def test_weights_that_are_no_folder_are_refused(saved, name):
    edit(saved, shapes={})
    forge(saved, "mask.safetensors", save({}))
    arrays = {"params/conv/bias": np.ones(6)} if name == "batch_stats" else {}
    forge(saved, "weights.safetensors", save({**arrays, name: np.ones(3)}))
    with pytest.raises(InputError, match="damaged: params or batch_stats"):
        Ticket.load(saved)


def test_a_file_name_that_leads_elsewhere_is_refused(saved):
    edit(saved, sha256={"../../secret": "0" * 64})
    with pytest.raises(InputError, match=r"'\.\./\.\./secret'"):
        Ticket.load(saved)


@pytest.mark.parametrize("name", TENSORS)
def test_a_file_without_a_checksum_is_missed(saved, name):
    checksums = read_description(saved)["sha256"]
    del checksums[name]
    edit(saved, sha256=checksums)
    with pytest.raises(InputError, match=f"damaged: .*'{name}'"):
        Ticket.load(saved)


@pytest.mark.parametrize("name", TENSORS)
def test_a_file_of_another_format_is_refused_despite_its_checksum(saved, name):
    forge(saved, name, b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(InputError, match=f"{name} is damaged"):
        Ticket.load(saved)


@pytest.mark.parametrize(
    ("name", "arrays", "message"),
    [
        ("mask.safetensors", {"conv/kernel": np.zeros(3, np.uint8)}, "the mask of conv/kernel"),
        ("mask.safetensors", {"conv/kernel": np.zeros(4, np.uint8)}, "weights and mask do not fit"),
        ("mask.safetensors", {"dense/kernel": np.zeros(4, np.uint8)}, "different paths"),
        ("weights.safetensors", {"params/conv/kernel": np.zeros(9)}, "weights and mask do not fit"),
        ("weights.safetensors", {"params/conv/bias": np.zeros(9)}, "lacks 'params/conv/kernel'"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(saved, name, arrays, message):
    forge(saved, name, save(arrays))
    with pytest.raises(InputError, match=message):
        Ticket.load(saved)


def test_an_element_type_that_numpy_lacks_is_refused(saved):
    data = save({"params/conv/kernel": np.zeros(10, np.uint8)}).replace(b'"U8"', b'"F8_E8M0"')
    size = len(data) - 10 - 8
    forge(saved, "weights.safetensors", size.to_bytes(8, "little") + data[8:])
    with pytest.raises(InputError, match=r"weights\.safetensors .*F8_E8M0"):
        Ticket.load(saved)


def test_a_shape_of_no_elements_that_no_array_can_have_is_refused(saved):
    header = b'{"params/conv/bias":{"dtype":"F32","shape":[0,%d],"data_offsets":[0,0]}}' % 2**62
    forge(saved, "weights.safetensors", len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError, match=r"weights\.safetensors .*too big"):
        Ticket.load(saved)


@pytest.mark.parametrize("length", [2**61, 2**62, 10**30])
def test_prunable_weights_of_no_elements_and_an_axis_too_long_are_refused(saved, length):
    forge(saved, "weights.safetensors", save({"params/conv/kernel": np.ones(0, np.float32)}))
    forge(saved, "mask.safetensors", save({"conv/kernel": np.zeros(0, np.uint8)}))
    edit(saved, shapes={"conv/kernel": [0, length]})
    with pytest.raises(InputError, match=r"is damaged: .*conv/kernel"):
        Ticket.load(saved)
