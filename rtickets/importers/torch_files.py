"""Files of `torch.save`, the zip format and the older one, read without PyTorch."""

import os
import re
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

from rtickets.errors import InputError
from rtickets.importers.tensors import TORCH_DTYPES, Storage, StoredTensor
from rtickets.storage import pickles
from rtickets.storage.pickles import Known, Record, Table, Unpickled

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001

_STORAGES = {
    "FloatStorage": "float32", "DoubleStorage": "float64", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "CharStorage": "int8", "ShortStorage": "int16",
    "IntStorage": "int32", "LongStorage": "int64", "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip

# Classes that training scripts keep their arguments in: names and plain values.
_RECORDS = (
    "argparse.Namespace", "types.SimpleNamespace", "easydict.EasyDict", "yacs.config.CfgNode",
    "cox.utils.Parameters", "ml_collections.config_dict.config_dict.ConfigDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning.pytorch.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)  # fmt: skip

_DAMAGED_ZIP = (
    zipfile.BadZipFile, struct.error, EOFError, KeyError, NotImplementedError, OSError,
    RuntimeError, UnicodeDecodeError,
)  # fmt: skip
_Read = Callable[[str], bytes]


def _known(read: _Read) -> dict[str, Any]:
    """Return what the names of PyTorch's pickles stand for."""

    def tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> StoredTensor:
        del rest
        return StoredTensor(storage, offset, tuple(size), tuple(stride), read, storage.dtype)

    def typed(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> StoredTensor:
        _check_element(rest[2])
        dtype = rest[2].name
        count = storage.count // TORCH_DTYPES[dtype].itemsize  # of an untyped one: in bytes
        return tensor(Storage(storage.key, dtype, count), offset, size, stride)

    def from_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
        del kind, state
        return function(*arguments) if isinstance(function, Known) else None

    functions: dict[str, Callable[..., Any]] = {
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor_v3": typed,
        "torch._utils._rebuild_parameter": lambda data, *rest: data,
        "torch._utils._rebuild_parameter_with_state": lambda data, *rest: data,
        "torch._tensor._rebuild_from_type_v2": from_type,
        "torch.Size": lambda sizes: tuple(sizes),
        "_codecs.encode": lambda text, encoding: text.encode("latin-1"),
    }
    # Every other name stays inert: no function of the file's choosing is ever called.
    names = {f"torch.{storage}": dtype for storage, dtype in _STORAGES.items()}
    names |= {f"torch.cuda.{storage}": dtype for storage, dtype in _STORAGES.items()}
    names |= {f"torch.{dtype}": dtype for dtype in TORCH_DTYPES}
    names |= dict.fromkeys(("torch.storage.UntypedStorage", "torch.UntypedStorage"), "bytes")
    return {
        "collections.OrderedDict": Table,
        "collections.defaultdict": Table,
        **dict.fromkeys(_RECORDS, Record),
        **{path: Known(dtype) for path, dtype in names.items()},
        **{path: Known(path, function) for path, function in functions.items()},
    }


def _check_element(kind: Any) -> None:
    """Raise InputError for a type of elements that is PyTorch's and not read here."""
    if isinstance(kind, pickles.InertType):
        kinds = ", ".join(TORCH_DTYPES)
        raise InputError(f"a tensor is of {kind.path}; expected one of {kinds}: convert it")


def _storage(file_size: int, pid: Any) -> Storage:
    """Turn a persistent id into a storage."""
    tag, kind, key, _, count, *view = pid
    _check_element(kind)
    if tag != "storage" or not isinstance(kind, Known):
        raise InputError("its pickle refers to something else than a storage; the file is damaged")
    if not isinstance(key, str) or not re.fullmatch(r"\w{1,80}", key):
        name = repr(key[:80]) if isinstance(key, str) else type(key).__name__
        raise InputError(f"its pickle refers to a storage named {name}; the file is damaged")
    whole = part = Storage(key, kind.name, count)
    if view and view[0] is not None:
        _, start, size = view[0]
        part = Storage(key, kind.name, size, start)
    itemsize = TORCH_DTYPES[kind.name].itemsize if kind.name in TORCH_DTYPES else 1
    if max(whole.count, part.start + part.count) * itemsize > file_size:
        raise InputError(
            f"its storage {key} of {whole.count} elements is larger than the file, which is damaged"
        )
    return part


def read_zip(path: Path) -> Unpickled:
    """Read a file of `torch.save` since PyTorch 1.6; its tensors are `StoredTensor`."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = path.stat().st_size
            root = _check_archive(archive, size)
            known = _known(partial(_read_entry, path, root))
            with archive.open(f"{root}/data.pkl") as file:
                return pickles.read(file, known, partial(_storage, size))
    except _DAMAGED_ZIP as error:
        raise InputError(f"it is a damaged zip archive: {error}") from None


def _check_archive(archive: zipfile.ZipFile, size: int) -> str:
    """Check names and sizes of an archive and return its top folder."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise InputError(f"refused: its entry {name!r} points out of the archive")
    if len(set(names)) < len(names):
        raise InputError("refused: its zip archive has two entries of the same name")
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise InputError("its zip archive is compressed or encrypted; torch.save writes neither")
    # Entries may lie on top of each other, so that a small file unpacks to a huge one.
    if sum(entry.file_size for entry in entries) > size:
        raise InputError("refused: the entries of its zip archive are larger than the file")
    roots = [name.removesuffix("/data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise InputError("it is a zip archive, but not one of torch.save: it has no data.pkl")
    root = roots[0]
    if f"{root}/constants.pkl" in names or any(name.startswith(f"{root}/code/") for name in names):
        raise InputError(
            "it is a TorchScript program; save the state dict instead: "
            "torch.save(model.state_dict(), FILE)"
        )
    order = f"{root}/byteorder"
    if order in names and archive.read(order) != b"little":
        raise InputError("it was saved on a big-endian machine, which is not supported")
    return root


def _read_entry(path: Path, root: str, key: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(f"{root}/data/{key}")
    except _DAMAGED_ZIP as error:
        raise InputError(f"its storage {key} is missing or damaged: {error}") from None


def read_legacy(path: Path) -> Unpickled:
    """Read a file of `torch.save` before PyTorch 1.6; its tensors are `StoredTensor`."""
    places: dict[str, tuple[int, int]] = {}
    storages: dict[str, Storage] = {}

    def persistent(pid: Any) -> Any:
        if pid[0] == "module":  # a class with its source, where a whole model was pickled
            return pid[1]
        storage = _storage(path.stat().st_size, pid)
        whole = Storage(storage.key, storage.dtype, pid[4])
        if storages.setdefault(storage.key, whole) != whole:
            raise InputError(f"its storage {storage.key} has two sizes; the file is damaged")
        return storage

    known = _known(partial(_read_part, path, places))
    with path.open("rb") as file:
        magic, protocol, system = (pickles.read(file, {}, _no_storage).value for _ in range(3))
        if magic != _MAGIC or protocol != _PROTOCOL:
            raise InputError("it is a pickle, but not one of torch.save")
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise InputError("it was saved on a big-endian machine, which is not supported")
        result = pickles.read(file, known, persistent)
        keys = pickles.read(file, {}, _no_storage).value
        named = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
        if not named or set(keys) != set(storages):
            raise InputError("its list of storages does not fit its pickle; the file is damaged")
        # Last, as they lie behind the pickles; nothing reads a tensor before.
        places |= _places(file, [storages[key] for key in keys])
    return result


def _no_storage(pid: Any) -> Storage:
    raise InputError("its header refers to a storage; the file is damaged")


def _places(file: IO[bytes], storages: list[Storage]) -> dict[str, tuple[int, int]]:
    """Return where the bytes of the storages begin and how many they are."""
    size = os.fstat(file.fileno()).st_size
    position = file.tell()
    places = {}
    for storage in storages:
        if storage.dtype not in TORCH_DTYPES:
            raise InputError(f"its storage {storage.key} holds {storage.dtype}")
        file.seek(position)
        header = file.read(8)
        length = storage.count * TORCH_DTYPES[storage.dtype].itemsize
        position += 8 + length
        if len(header) < 8 or position > size:
            raise InputError(f"its storage {storage.key} is cut off; the file is truncated")
        if int.from_bytes(header, "little", signed=True) != storage.count:
            raise InputError(f"its storage {storage.key} has two sizes; the file is damaged")
        places[storage.key] = (position - length, length)
    return places


def _read_part(path: Path, places: dict[str, tuple[int, int]], key: str) -> bytes:
    start, length = places[key]
    with path.open("rb") as file:
        file.seek(start)
        return file.read(length)
