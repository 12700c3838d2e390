"""Files of torch.save; tests/golden/make_torch_files.py wrote two with PyTorch itself."""

import json
from pathlib import Path

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers.files import read_state_dict

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = ("torch_zip.pt", "torch_legacy.pt")
EXPECTED = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3),
    "float64": np.arange(3) / 3,
    "float16": np.array([0.5, -2.0], np.float16),
    "bfloat16": np.array([1.5, 256.0]),
    "int64": np.array(7),
    "uint8": np.array([0, 255], np.uint8),
    "bool": np.array([True, False]),
    "transposed": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "part": np.arange(3, 7, dtype=np.float32),
    "same_storage": np.arange(0, 10, 2, dtype=np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "parameter": np.array([1, 2], np.float32),
}


@pytest.mark.parametrize("name", FILES)
def test_what_pytorch_wrote_is_read_exactly(name):
    state = read_state_dict(GOLDEN / name)
    assert state.format == name.removesuffix(".pt").replace("_", " ")
    assert set(state.tensors) == set(EXPECTED)
    for key, expected in EXPECTED.items():
        array = np.asarray(state.tensors[key])
        assert array.dtype.name == {"transposed": "float32"}.get(key, array.dtype.name)
        assert state.tensors[key].shape == array.shape == expected.shape
        np.testing.assert_array_equal(array.astype(np.float64), expected.astype(np.float64))
    assert np.asarray(state.tensors["bfloat16"]).dtype.name == "bfloat16"


@pytest.mark.parametrize("name", FILES)
def test_the_rest_of_a_checkpoint_is_listed_and_its_objects_are_inert(name):
    state = read_state_dict(GOLDEN / name)
    assert set(state.outside) == {"epoch", "arch", "optimizer", "args", "best", "curve"}
    assert state.inert
    assert all(path.startswith("numpy.") for path in state.inert)
    assert state.found.arguments["args"] == {"lr": 0.1, "betas": (0.9, 0.99)}
    assert state.found.arguments["arch"] == "none"


@pytest.mark.parametrize("legacy", [False, True])
def test_our_writer_writes_what_pytorch_does(torch_file, legacy):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(4, np.int64)}
    state = read_state_dict(torch_file(arrays, legacy=legacy))
    for name, array in arrays.items():
        np.testing.assert_array_equal(np.asarray(state.tensors[name]), array)


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_off_anywhere_is_one_clear_error(name, tmp_path):
    data = (GOLDEN / name).read_bytes()
    path = tmp_path / "cut.pt"
    for length in range(0, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(InputError) as caught:
            read_state_dict(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_an_error_or_another_value_but_never_a_crash(name, tmp_path):
    data = (GOLDEN / name).read_bytes()
    path = tmp_path / "flipped.pt"
    generator, errors = np.random.default_rng(0), 0
    for position in generator.choice(len(data), 150, replace=False):
        damaged = bytearray(data)
        damaged[position] ^= int(generator.integers(1, 256))
        path.write_bytes(damaged)
        try:
            for tensor in read_state_dict(path).tensors.values():
                np.asarray(tensor)
        except InputError:
            errors += 1
    assert errors > 0


def test_a_damaged_storage_of_a_zip_fails_its_checksum(torch_file):
    path = torch_file({"a": np.full(100, 1.5, np.float32), "b": np.zeros(2, np.float32)})
    data = path.read_bytes()
    at = data.index(np.full(100, 1.5, np.float32).tobytes())
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    state = read_state_dict(path)
    with pytest.raises(InputError, match=r"storage 0 .*Bad CRC-32"):
        np.asarray(state.tensors["a"])
    np.testing.assert_array_equal(np.asarray(state.tensors["b"]), 0)


@pytest.mark.parametrize("length", [0x80, 0x4B50])  # of a header: begins as a pickle, as a zip
def test_a_safetensors_file_is_not_taken_for_one_of_torch(length, tmp_path):
    path, weights = tmp_path / "model.safetensors", np.arange(3, dtype=np.float32)
    entry = {"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}
    header = json.dumps(entry).encode().ljust(length)
    path.write_bytes(length.to_bytes(8, "little") + header + weights.tobytes())
    found = read_state_dict(path)
    assert found.format == "safetensors"
    np.testing.assert_array_equal(found.tensors["w"], weights)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no file of torch.save, safetensors or ONNX"),
        (b"hello", "no file of torch.save, safetensors or ONNX"),
        (b"PK\x03\x04nothing more", "damaged zip archive"),
        (b"\x80\x02}q\x00.", "not one of torch.save|damaged"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ", "holds no tensors|safetensors"),
        (b"\xff" * 8 + b"{}", "damaged file of safetensors"),
        (b"\0" * 257 + b"ustar" + b"\0" * 300, "format of before 2018"),
    ],
)
def test_other_files_are_named_for_what_they_are(content, message, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("tree", "key", "message"),
    [
        ({"epoch": 3}, None, "choose --key of epoch"),
        ([1, 2], None, "holds a list"),
        ({"a": {"w": 1}, "b": {"w": 2}}, None, "not clear"),
        ({"state_dict": {"w": np.ones(1, np.float32)}}, "model", "--key=model: no state dict"),
    ],
)
def test_a_file_without_a_state_dict_says_what_it_holds(torch_file, tree, key, message):
    with pytest.raises(InputError, match=message):
        read_state_dict(torch_file(tree), key)


def test_the_state_dict_is_found_or_chosen(torch_file):
    one, two = ({"w": np.full(1, value, np.float32)} for value in (1.0, 2.0))
    both = torch_file({"best": one, "other": two})
    with pytest.raises(InputError, match="--key of best, other"):
        read_state_dict(both)
    assert np.asarray(read_state_dict(both, "other").tensors["w"]) == 2
    usual = torch_file({"ema": one, "state_dict": two, "epoch": 1}, "usual.pt")
    state = read_state_dict(usual)
    assert np.asarray(state.tensors["w"]) == 2
    assert state.outside == ["ema", "epoch"]
    mixed = read_state_dict(torch_file({**one, "v": one["w"] + 1, "note": "x"}, "mixed.pt"))
    assert (set(mixed.tensors), mixed.outside) == ({"w", "v"}, ["note"])


def test_a_whole_pickled_model_is_refused(torch_file, torch_like):
    model = torch_like.Call(torch_like.Global("project.models", "Net"), state={"weight": 1})
    with pytest.raises(InputError, match=r"project.models.Net"):
        read_state_dict(torch_file(model))


@pytest.mark.parametrize("kind", ["QInt8Storage", "ComplexFloatStorage", "bits8"])
def test_an_element_type_that_is_not_read_is_named(torch_like, tmp_path, kind):
    """The file is not damaged, and whoever made it can convert it."""
    where = torch_like.Global("torch", kind)
    if kind.islower():  # newer tensors name the type apart from the storage, which holds bytes
        untyped = torch_like.Global("torch.storage", "UntypedStorage")
        storage = torch_like.Persistent(("storage", untyped, "0", "cpu", 4))
        rebuild = torch_like.Global("torch._utils", "_rebuild_tensor_v3")
        tensor = torch_like.Call(rebuild, storage, 0, (4,), (1,), False, {}, where)
    else:
        storage = torch_like.Persistent(("storage", where, "0", "cpu", 4))
        rebuild = torch_like.Global("torch._utils", "_rebuild_tensor_v2")
        tensor = torch_like.Call(rebuild, storage, 0, (4,), (1,), False, {})
    path = tmp_path / "odd.pt"
    data, _ = torch_like.pickled({"a.weight": tensor})
    path.write_bytes(torch_like.zip_bytes(data, {"0": np.zeros(4, np.uint8)}))
    with pytest.raises(InputError, match=rf"torch\.{kind}; expected one of float32"):
        read_state_dict(path)
