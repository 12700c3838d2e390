"""Files that attack whoever loads them."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from rtickets.errors import InputError
from rtickets.importers.files import read_state_dict
from rtickets.storage import pickles
from rtickets.storage.pickles import Inert


class Attack:
    """What a real attack looks like: pickling it makes a file that calls a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.fixture
def trap(tmp_path):
    """A file that an attack that works would make."""
    path = tmp_path / "owned"
    yield path
    assert not path.exists()


def write(tmp_path, data):
    path = tmp_path / "hostile.pt"
    path.write_bytes(data)
    return path


def read_all(path):
    return [np.asarray(tensor) for tensor in read_state_dict(path).tensors.values()]


def refused(path, message="refused"):
    with pytest.raises(InputError, match=message) as caught:
        read_all(path)
    assert "\n" not in str(caught.value)


ATTACKS = {
    "system": lambda trap: Attack(os.system, f"touch {trap}"),
    "exec": lambda trap: Attack(exec, f"open({str(trap)!r}, 'w')"),
    "eval": lambda trap: Attack(eval, f"open({str(trap)!r}, 'w')"),
    "open": lambda trap: Attack(open, str(trap), "w"),
    "import": lambda trap: Attack(__import__, "antigravity"),
    "exit": lambda trap: Attack(os._exit, 3),
    "nested": lambda trap: {"a": [{"state_dict": {"w": Attack(os.mkdir, str(trap))}}]},
    "key": lambda trap: {Attack(os.mkdir, str(trap)): 1},
}


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("attack", ATTACKS)
def test_calls_are_refused_in_both_formats(tmp_path, trap, torch_like, attack, protocol):
    data = pickle.dumps(ATTACKS[attack](trap), protocol)
    refused(write(tmp_path, torch_like.zip_bytes(data)), "refused: it asks for .*nothing of it")
    header = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001)]
    header.append(pickle.dumps({"little_endian": True}, 2))
    refused(write(tmp_path, b"".join([*header, data])), "refused: it asks for .*nothing of it")


@pytest.mark.parametrize("position", range(3))
def test_an_attack_in_the_header_of_the_old_format_is_refused(tmp_path, trap, position):
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}]
    parts[position] = Attack(os.mkdir, str(trap))
    refused(write(tmp_path, b"".join(pickle.dumps(part, 2) for part in parts)))


@pytest.mark.parametrize(
    "words",
    [
        b"cposix\nsystem\n(S'true'\ntR.",  # written by hand, as in the classic attack
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"c__builtin__\neval\n(S'1'\ntR.",  # names of Python 2
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"\x80\x02csubprocess\nPopen\n)\x81}b.",  # NEWOBJ and BUILD
        b"c__builtin__\ngetattr\n(cbuiltins\nexec\nS'__call__'\ntR.",
        b"\x80\x02\x82\x01.",  # EXT1, the registry of extensions
        b"\x80\x05\x97.",  # NEXT_BUFFER
    ],
)
def test_attacks_by_hand_are_refused(tmp_path, torch_like, words):
    refused(write(tmp_path, torch_like.zip_bytes(words)))


def test_unknown_names_do_nothing(tmp_path, torch_like, trap):
    call, name = torch_like.Call, torch_like.Global
    touch = call(name("operator", "methodcaller"), "touch")
    held = call(name("pathlib", "PosixPath"), str(trap), state={"x": 1})
    data, storages = torch_like.pickled(
        {"hook": call(touch, held), "state_dict": {"w": np.ones(2, np.float32)}}
    )
    state = read_state_dict(write(tmp_path, torch_like.zip_bytes(data, storages)))
    assert set(state.inert) == {"operator.methodcaller", "pathlib.PosixPath"}
    np.testing.assert_array_equal(np.asarray(state.tensors["w"]), 1)


def test_a_stand_in_swallows_everything():
    stand_in = Inert(1, a=2)
    stand_in[3] = 4
    stand_in.append(5)
    stand_in.extend([6])
    stand_in.add(7)
    before = dict(vars(Inert))
    stand_in.__setstate__({"append": None})
    stand_in.__setstate__((None, {"append": None}))
    assert stand_in("anything") is stand_in.__new__(stand_in, "else") is Inert
    assert dict(vars(Inert)) == before


def test_what_dill_writes_is_read(tmp_path, torch_like):
    """Classes made by calls, functions with their globals, attributes set on them."""
    words = (
        b"\x80\x02}(X\x02\x00\x00\x00fncdill._dill\n_create_function\n(cdill._dill\n_create_code\n"
        b"K\x01\x85R}tRq\x01c__builtin__\nsetattr\nh\x01X\x01\x00\x00\x00aK\x02\x87R0"
        b"X\x03\x00\x00\x00objcdill._dill\n_create_type\nN\x85R)\x81}X\x01\x00\x00\x00xK\x03sbu."
    )
    loaded = pickles.read(io.BytesIO(words), {}, lambda pid: None)
    assert set(loaded.value) == {"fn", "obj"}
    assert set(loaded.inert) == {
        "dill._dill._create_function", "dill._dill._create_code", "__builtin__.setattr",
        "dill._dill._create_type",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((10**12,), (0,), 0),  # a tensor of terabytes from one element
        ((2, 3), (3, 1), 1),  # one element too far
        ((2,), (10**9,), 0),
        ((2,), (1,), -1),
        ((2,), (-1,), 1),
        ((2, 3), (1,), 0),
        ((2.0,), (1,), 0),
        ((True,), (1,), 0),
        ((1,) * 70, (1,) * 70, 0),
        (("a", 3, 7, 7), (1, 1, 1, 1), 0),
        ((None,), (1,), 0),
        ((-64,), (1,), 0),
        ((10**6000,), (0,), 0),
        ((1,), (10**6000,), 0),
        ((0, 2**63), (1, 1), 0),
        pytest.param((1,), (1,), 10**6000, id="huge"),
        (("torch",), ((1,),), "a"),
    ],
)
def test_tensors_that_leave_their_storage_are_refused(tmp_path, torch_like, size, stride, offset):
    name, call = torch_like.Global, torch_like.Call
    pid = ("storage", name("torch", "FloatStorage"), "0", "cpu", 6)
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    tensor = call(rebuild, torch_like.Persistent(pid), offset, size, stride, False, None)
    data, _ = torch_like.pickled({"w": tensor})
    storages = {"0": np.zeros(6, np.float32)}
    path = write(tmp_path, torch_like.zip_bytes(data, storages))
    message = "does not lie in its storage of 6 elements"
    with pytest.raises(InputError, match=message):
        read_state_dict(path)  # before anything is made of the shape
    refused(path, message)


@pytest.mark.parametrize(
    "count", [7, 10**15, pytest.param(10**6000, id="huge"), -1, 6.0, "6", None]
)
def test_a_storage_that_claims_more_than_it_has_is_refused(tmp_path, torch_like, count):
    name, call = torch_like.Global, torch_like.Call
    pid = ("storage", name("torch", "FloatStorage"), "0", "cpu", count)
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    tensor = call(rebuild, torch_like.Persistent(pid), 0, (7,), (1,), False, None)
    data, _ = torch_like.pickled({"w": tensor})
    path = write(tmp_path, torch_like.zip_bytes(data, {"0": np.zeros(6, np.float32)}))
    refused(path, "has 24 bytes, expected 28" if count == 7 else "storage 0 .* damaged")


def test_a_pickle_cannot_change_a_tensor_or_a_function(tmp_path, torch_like):
    name, call = torch_like.Global, torch_like.Call
    pid = ("storage", name("torch", "FloatStorage"), "0", "cpu", 6)
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    arguments = (torch_like.Persistent(pid), 0, (6,), (1,), False, None)
    forged = call(rebuild, *arguments, state={"shape": (10**9,)})
    data, _ = torch_like.pickled({"w": forged})
    path = write(tmp_path, torch_like.zip_bytes(data, {"0": np.zeros(6, np.float32)}))
    refused(path, "may not change a tensor")
    words = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x05\x00\x00\x00_nameK\x01sb."
    refused(write(tmp_path, torch_like.zip_bytes(words)), "may not change a function")


@pytest.mark.parametrize(
    "words",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",  # LONG_BINPUT: a memo of 2^31 entries
        b"]p99999999999\n.",  # PUT
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # BINBYTES8 of 2^63 bytes
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",  # BYTEARRAY8
        b"\x80\x02\x8b\xff\xff\xff\x7f.",  # LONG4
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f0.",  # a frame
        b"I" + b"9" * 5000 + b"\n.",  # a number of 5,000 digits
    ],
)
def test_sizes_that_cost_memory_to_believe_are_refused(tmp_path, torch_like, words):
    refused(write(tmp_path, torch_like.zip_bytes(words)), "refused|damaged")


TUPLES = b"K\x01" + b"2\x86" * 60  # in every step a tuple of the last one, twice


@pytest.mark.parametrize(
    "words",
    [
        b"\x80\x02}" + TUPLES + b"K\x02s.",  # SETITEM
        b"\x80\x02}(K\x05K\x06" + TUPLES + b"K\x02u.",  # SETITEMS
        b"\x80\x02(" + TUPLES + b"K\x02d.",  # DICT
        b"\x80\x04\x8f(" + TUPLES + b"\x90.",  # ADDITEMS
        b"\x80\x04(" + TUPLES + b"\x91.",  # FROZENSET
        b"\x80\x02ccollections\nOrderedDict\n]" + TUPLES + b"K\x02\x86a\x85R.",
    ],
)
def test_keys_that_take_without_end_to_hash_are_refused(tmp_path, torch_like, words):
    refused(
        write(tmp_path, torch_like.zip_bytes(words)), "refused: its pickle has a tuple for a key"
    )


@pytest.mark.parametrize("key", [(1,) * 17, "x" * 5000, b"x" * 5000, 2**70], ids=type)
def test_keys_that_take_long_to_hash_again_and_again_are_refused(tmp_path, torch_like, key):
    data = pickle.dumps({"state_dict": {key: 1}}, 2)
    refused(write(tmp_path, torch_like.zip_bytes(data)), f"{type(key).__name__} for a key")


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_keys_of_honest_checkpoints_are_read(protocol):
    value = {"a": {1, 2.5, None, False, "b"}, (1, "x"): frozenset([b"c"]), -(2**63): {}}
    data = io.BytesIO(pickle.dumps(value, protocol))
    encode = pickles.Known("_codecs.encode", lambda text, encoding: text.encode(encoding))
    known = {"_codecs.encode": encode, "builtins.set": set, "__builtin__.set": set}
    known |= {"builtins.frozenset": frozenset, "__builtin__.frozenset": frozenset}
    assert pickles.read(data, known, lambda pid: None).value == value


def test_deep_nesting_is_an_error_or_no_state_dict(tmp_path, torch_like):
    words = b"(" * 100_000 + b"l" * 100_000 + b"."
    refused(write(tmp_path, torch_like.zip_bytes(words)), "list|damaged")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "archive/../../x", "a\\..\\b"])
def test_entries_that_point_out_of_the_archive_are_refused(tmp_path, torch_like, name):
    data, storages = torch_like.pickled({"w": np.ones(2, np.float32)})
    content = torch_like.zip_bytes(data, storages, {name: "x"})
    refused(write(tmp_path, content), "points out of the archive")


def test_a_storage_name_cannot_point_elsewhere(tmp_path, torch_like):
    name, call = torch_like.Global, torch_like.Call
    pid = ("storage", name("torch", "FloatStorage"), "../data.pkl", "cpu", 2)
    rebuild = name("torch._utils", "_rebuild_tensor_v2")
    tensor = call(rebuild, torch_like.Persistent(pid), 0, (2,), (1,), False, None)
    path = write(tmp_path, torch_like.zip_bytes(torch_like.pickled({"w": tensor})[0]))
    refused(path, r"a storage named '../data.pkl'")


def test_a_compressed_bomb_is_refused_unread(tmp_path, torch_like):
    data, storages = torch_like.pickled({"w": np.zeros(10**6, np.float32)})
    content = torch_like.zip_bytes(data, storages, compression=zipfile.ZIP_DEFLATED)
    assert len(content) < 10**5
    refused(write(tmp_path, content), "compressed or encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path, torch_like):
    data, storages = torch_like.pickled({"w": np.ones(2, np.float32)})
    content = torch_like.zip_bytes(data, storages, {"archive/data/0": b"\0" * 8})
    refused(write(tmp_path, content), "two entries of the same name")


def test_a_torchscript_program_is_refused(tmp_path, torch_like):
    data, storages = torch_like.pickled({"w": np.ones(2, np.float32)})
    extra = {"archive/constants.pkl": b"", "archive/code/__torch__.py": "import os"}
    content = torch_like.zip_bytes(data, storages, extra)
    refused(write(tmp_path, content), "TorchScript program; save the state dict")


def test_a_big_endian_file_is_refused(tmp_path, torch_like):
    data, _ = torch_like.pickled({"w": 1})
    content = torch_like.zip_bytes(data, byteorder="big")
    refused(write(tmp_path, content), "big-endian")
