"""Checkpoint files by their format, and the state dict in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize

from rtickets.errors import InputError
from rtickets.importers import torch_files
from rtickets.importers.tensors import StoredTensor, Tensor
from rtickets.pickles import InertType

_SAFETENSORS = {
    "BOOL": np.dtype(bool), "U8": np.dtype("<u1"), "I8": np.dtype("<i1"), "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"), "I64": np.dtype("<i8"), "F16": np.dtype("<f2"),
    "BF16": np.dtype(jnp.bfloat16), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"),
}  # fmt: skip
# Where training scripts keep the state dict, the first that is there.
_USUAL_KEYS = ("state_dict", "model", "model_state_dict", "model_state", "net", "network", "last")


class StateDict(NamedTuple):
    """The tensors of a network by name.

    Attributes:
        format: of the file: 'torch zip', 'torch legacy' or 'safetensors'.
        tensors: the tensors.
        outside: what else the file holds: other parts of a training checkpoint, plain numbers.
        inert: names in a pickle that were replaced by stand-ins, and how often.
    """

    format: str
    tensors: dict[str, Tensor]
    outside: list[str]
    inert: dict[str, int]


def read_state_dict(path: Path, key: str | None = None) -> StateDict:
    """Read the state dict of a checkpoint; nothing in the file is executed.

    Args:
        path: a file of `torch.save` or of safetensors.
        key: where in the file the state dict lies; None finds it.

    Returns:
        The tensors, read when they are used.

    Raises:
        InputError: if the file is damaged, hostile, of another format or holds no state dict.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if head[8:9] == b"{":  # first: the length before it may begin as the others do
        stored = _read_safetensors(path)
        if not stored:
            raise InputError("it is a file of safetensors that holds no tensors")
        return StateDict("safetensors", stored, [], {})
    if head.startswith(b"PK"):
        kind, loaded = "torch zip", torch_files.read_zip(path)
    elif head.startswith(b"\x80"):
        kind, loaded = "torch legacy", torch_files.read_legacy(path)
    elif head[257:262] == b"ustar":
        raise InputError("it is in PyTorch's format of before 2018; load and save it once again")
    else:
        raise InputError("it is no file of torch.save, safetensors or ONNX (*.onnx)")
    tensors, outside = _find(loaded.value, key)
    return StateDict(kind, tensors, outside, loaded.inert)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return {
            name: np.frombuffer(tensor["data"], _SAFETENSORS[tensor["dtype"]]).reshape(
                tensor["shape"]
            )
            for name, tensor in deserialize(path.read_bytes())
        }
    except (SafetensorError, ValueError) as error:
        raise InputError(f"it is a damaged file of safetensors: {error}") from None
    except KeyError as error:
        raise InputError(f"holds tensors of {error}, which cannot be imported") from None


def _find(tree: Any, key: str | None) -> tuple[dict[str, Tensor], list[str]]:
    """Return the state dict in what a file holds, and the names of everything beside it."""
    if isinstance(tree, InertType):
        raise InputError(
            f"holds a whole pickled object, {tree.path}, whose code would have to run; save "
            "model.state_dict() instead"
        )
    if not isinstance(tree, Mapping) or not tree:
        raise InputError(f"holds a {type(tree).__name__}, expected a state dict")
    found = {name for name, value in tree.items() if _is_state_dict(value)}
    usual = [name for name in _USUAL_KEYS if name in found]
    if key is None and not found and _is_state_dict(tree):
        return _tensors(tree)
    if key is None and (usual or len(found) == 1):
        key = usual[0] if usual else next(iter(found))
    if key is None:
        names = ", ".join(sorted(map(str, found))) or _names(tree)
        raise InputError(f"it is not clear where the state dict is; choose --key of {names}")
    if key not in found:
        raise InputError(f"--key={key}: no state dict of that name; there is {_names(tree)}")
    tensors, outside = _tensors(tree[key])
    return tensors, [*(str(name) for name in tree if name != key), *outside]


def _names(tree: Mapping[Any, Any]) -> str:
    return ", ".join(str(name) for name in list(tree)[:8])


def _is_state_dict(value: Any) -> bool:
    """Return whether most of a value are tensors by name."""
    if not isinstance(value, Mapping):
        return False
    tensors = sum(isinstance(part, StoredTensor) for part in value.values())
    return 2 * tensors > len(value) and all(isinstance(name, str) for name in value)


def _tensors(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[str]]:
    tensors = {name: value for name, value in state.items() if isinstance(value, StoredTensor)}
    return dict(tensors), [name for name in state if name not in tensors]
