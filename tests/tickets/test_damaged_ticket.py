import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save

from rtickets.config import DrawConfig
from rtickets.errors import InputError
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket, read_description

ONE = np.ones(1)
TENSORS = ["weights.safetensors", "mask.safetensors"]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "ticket"
    mask = {"conv": {"kernel": np.arange(30).reshape(5, 6) % 3 == 0, "bias": np.ones((), bool)}}
    params = {"conv": {"kernel": np.ones((5, 6), np.float32), "bias": np.ones(6, np.float32)}}
    Ticket(mask, params, {"mean": np.zeros(6, np.float32)}).save(path)
    return path


def edit(path, **changes):
    """Change fields of the description; ... removes one."""
    description = json.loads((path / "ticket.json").read_text()) | changes
    kept = {name: value for name, value in description.items() if value is not ...}
    (path / "ticket.json").write_text(json.dumps(kept))


def forge(path, name, data):
    """Replace a file and its checksum."""
    (path / name).write_bytes(data)
    checksums = read_description(path)["sha256"]
    edit(path, sha256={**checksums, name: hashlib.sha256(data).hexdigest()})


def test_a_folder_without_a_ticket_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere"):
        Ticket.load(tmp_path / "nowhere")


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


def test_a_description_cut_anywhere_is_damaged(saved):
    whole = (saved / "ticket.json").read_bytes()
    for length in range(0, len(whole) - 2, 13):
        (saved / "ticket.json").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"ticket\.json is damaged"):
            Ticket.load(saved)


def test_a_description_that_is_no_text_is_damaged(saved):
    (saved / "ticket.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"ticket\.json is damaged"):
        Ticket.load(saved)


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", '{"format": "other", "version": 1}'])
def test_a_foreign_description_is_refused(saved, text):
    (saved / "ticket.json").write_text(text)
    with pytest.raises(InputError, match="describe a ticket"):
        Ticket.load(saved)


@pytest.mark.parametrize("version", [3, 99, "2", None])
def test_a_newer_format_is_named(saved, version):
    edit(saved, version=version)
    with pytest.raises(InputError, match=f"version {version}, .*2"):
        Ticket.load(saved)


@pytest.mark.parametrize("field", ["sha256", "shapes", "meta"])
@pytest.mark.parametrize("value", [..., None, 5, [], ["weights.safetensors"], "text"])
def test_a_field_that_is_missing_or_of_another_kind_is_named(saved, field, value):
    edit(saved, **{field: value})
    with pytest.raises(InputError, match=rf"ticket\.json .*damaged: .*{field}"):
        Ticket.load(saved)


@pytest.mark.parametrize("field", ["keys", "empty"])
@pytest.mark.parametrize("value", [..., None, 5, "text"])
def test_version_2_says_how_dictionaries_nest(saved, field, value):
    edit(saved, **{"version": 2, "keys": {}, "empty": [], field: value})
    with pytest.raises(InputError, match=rf"ticket\.json .*damaged: .*{field}"):
        Ticket.load(saved)


@pytest.mark.parametrize(
    "keys",
    [
        {"params/conv/bias": ["params", "conv", "other"]},  # another name
        {"params/nothing": ["params", "nothing"]},  # no array
        {"params/conv/bias": ["params", "conv", True]},
        {"params/conv/bias": ["params", 1.5]},
        {"params/conv/bias": ["params", None]},
        {"params/conv/bias": "params/conv/bias"},
        {"params/conv/bias": []},
        {"params/conv/bias": ["params/conv/bias"]},  # beside params and batch_stats
        {"params/conv/bias": ["", "params/conv/bias"]},
        {"params/conv/bias": ["params/conv", "bias"]},
    ],
    ids=str,
)
def test_keys_that_do_not_fit_are_refused(saved, keys):
    edit(saved, version=2, keys=keys, empty=[])
    with pytest.raises(InputError, match="is damaged: "):
        Ticket.load(saved)


@pytest.mark.parametrize(
    "empty", [["params"], [[]], [[None]], [["params", "conv"]], [["params", "conv", "bias", "x"]]]
)
@pytest.mark.parametrize("times", [1, 2])
def test_empty_dictionaries_that_do_not_fit_are_refused(saved, empty, times):
    edit(saved, version=2, keys={}, empty=empty * times)
    with pytest.raises(InputError, match="is damaged: "):
        Ticket.load(saved)


def test_keys_without_an_order_are_refused(saved):
    arrays = {"params/conv/kernel": np.ones(10), "params/conv/bias": np.ones(6), "params/7": ONE}
    forge(saved, "weights.safetensors", save(arrays))
    edit(saved, version=2, keys={"params/7": ["params", 7]}, empty=[])
    with pytest.raises(InputError, match=r"damaged: .*no order"):
        Ticket.load(saved)


@pytest.mark.parametrize("depth", [200, 2000, 200_000])
@pytest.mark.parametrize("kind", ["name", "keys", "empty"])
def test_what_nests_too_deep_is_refused(saved, depth, kind):
    name = "/".join(["params", *["a"] * depth])
    arrays = {"params/conv/kernel": np.ones(10), "params/conv/bias": np.ones(6)}
    forge(saved, "weights.safetensors", save(arrays if kind == "empty" else {**arrays, name: ONE}))
    keys = {name: name.split("/")} if kind == "keys" else {}
    edit(saved, version=2, keys=keys, empty=[name.split("/")] if kind == "empty" else [])
    with pytest.raises(InputError, match=r"damaged: .*100"):
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


@pytest.mark.parametrize("history", [5, None, {"a": 1}, [1, None, "x"], [{"stage": "\x1b[31m"}]])
def test_provenance_of_any_kind_is_printed(saved, history):
    edit(saved, meta={"history": history})
    assert repr(Ticket.load(saved)).isprintable()


@pytest.mark.parametrize("history", [5, None, {"a": 1}])
def test_provenance_of_another_kind_is_not_extended(saved, history):
    edit(saved, meta={"history": history})
    with pytest.raises(InputError, match="its history is"):
        provenance.extend(Ticket.load(saved).meta, "draw", DrawConfig())
