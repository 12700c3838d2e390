"""Writers of PyTorch's file formats that do not need PyTorch."""

import collections
import io
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import pytest

from rtickets import masks, models
from rtickets.importers import account
from rtickets.importers.layouts import layouts_of

_STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}


class Global:
    """A function or class that a pickle mentions by its name; nothing of it is looked up."""

    def __init__(self, module, name):
        self.words = f"c{module}\n{name}\n".encode()


class Call:
    """An object that a pickle makes by calling a `Global`, and may set the state of."""

    def __init__(self, function, *arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state


class Persistent:
    def __init__(self, pid):
        self.pid = pid


class _Pickler(pickle._Pickler):
    """Python's own pickler, with words for the objects above."""

    def __init__(self, file, legacy=False):
        super().__init__(file, protocol=2)
        self.legacy = legacy
        self.storages = {}

    def save(self, obj, save_persistent_id=True):
        if isinstance(obj, Global):
            self.write(obj.words)
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
            if obj.state is not None:
                self.save(obj.state)
                self.write(pickle.BUILD)
        elif isinstance(obj, Persistent):
            self.save(obj.pid)
            self.write(pickle.BINPERSID)
        elif isinstance(obj, np.ndarray):
            self.save(self.tensor(obj))
        else:
            super().save(obj, save_persistent_id)

    def tensor(self, array):
        key = str(len(self.storages))
        self.storages[key] = array
        kind = Global("torch", _STORAGES[array.dtype.name])
        pid = ("storage", kind, key, "cpu", array.size, *([None] if self.legacy else []))
        steps = tuple(step // array.itemsize for step in array.strides)
        hooks = Call(Global("collections", "OrderedDict"))
        rebuild = Global("torch._utils", "_rebuild_tensor_v2")
        return Call(rebuild, Persistent(pid), 0, array.shape, steps, False, hooks)


def pickled(obj, legacy=False):
    file = io.BytesIO()
    pickler = _Pickler(file, legacy)
    pickler.dump(obj)
    return file.getvalue(), pickler.storages


def zip_bytes(data, storages=None, extra=None, compression=zipfile.ZIP_STORED, byteorder="little"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/byteorder", byteorder)
        for key, array in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return file.getvalue()


def legacy_bytes(obj):
    data, storages = pickled(obj, legacy=True)
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    parts += [data, pickle.dumps(list(storages), 2)]
    parts += [struct.pack("<q", array.size) + array.tobytes() for array in storages.values()]
    return b"".join(parts)


@pytest.fixture(scope="session")
def torch_like():
    """The words of PyTorch's pickles and the writers of its files."""
    return types.SimpleNamespace(
        Global=Global,
        Call=Call,
        Persistent=Persistent,
        pickled=pickled,
        zip_bytes=zip_bytes,
        legacy_bytes=legacy_bytes,
    )


@pytest.fixture
def torch_file(tmp_path):
    """Write an object with arrays as a file of torch.save."""

    def write(obj, name="file.pt", legacy=False):
        path = tmp_path / name
        path.write_bytes(legacy_bytes(obj) if legacy else zip_bytes(*pickled(obj)))
        return path

    return write


def random_state(arch, layout=0, seed=0, num_classes=5, channels=3, **options):
    """Random weights of a network of ours, under the names of a layout and in its axis order."""
    model = models.build(arch, num_classes, **options)
    leaves = masks.leaf_paths(account.template(model, channels))
    names = account.source_names(leaves, layouts_of(model)[layout])
    generator = np.random.default_rng(seed)
    state = collections.OrderedDict()
    for leaf, name in sorted(names.items(), key=lambda item: item[1]):
        shape = leaves[leaf].shape
        shape = (*shape[:1:-1], *shape[:2]) if len(shape) == 4 else shape[::-1]
        bound = (6 / np.prod(shape[1:])) ** 0.5
        low, high = (-bound, bound) if len(shape) > 1 else (0.5, 1.0)
        state[name] = generator.uniform(low, high, shape).astype(np.float32)
        if name.endswith("running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            state[counter] = np.array(9, np.int64)
    return state


@pytest.fixture(scope="session")
def state_of():
    return random_state


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch):
    """Whatever is installed, nothing here may import PyTorch."""
    monkeypatch.setitem(sys.modules, "torch", None)
