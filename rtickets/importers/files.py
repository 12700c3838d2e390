"""Checkpoint files by their format."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize

from rtickets.errors import InputError
from rtickets.importers import torch_files
from rtickets.importers.state_dicts import Found, Weights, find
from rtickets.importers.tensors import Tensor

_SAFETENSORS = {
    "BOOL": np.dtype(bool), "U8": np.dtype("<u1"), "I8": np.dtype("<i1"), "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"), "I64": np.dtype("<i8"), "F16": np.dtype("<f2"),
    "BF16": np.dtype(jnp.bfloat16), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"),
}  # fmt: skip


class StateDict(NamedTuple):
    """The tensors of a network by name.

    Attributes:
        format: of the file: 'torch zip', 'torch legacy' or 'safetensors'.
        found: the state dict, and what else the file holds.
        inert: names in a pickle that were replaced by stand-ins, and how often.
        metadata: words that the format keeps.
    """

    format: str
    found: Found
    inert: dict[str, int]
    metadata: Mapping[str, str]

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors of the state dict."""
        return self.found.tensors

    @property
    def outside(self) -> list[str]:
        """Names of what the file holds beside the state dict."""
        return self.found.outside


def read_state_dict(
    path: Path, key: str | None = None, weights: Weights | None = None
) -> StateDict:
    """Read the state dict of a checkpoint; its tensors are read when they are used.

    Args:
        path: a file of `torch.save` or of safetensors.
        key: where in the file the state dict lies; None finds it.
        weights: which of several state dicts to take, see `state_dicts.find`.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if head[8:9] == b"{":  # first: the length before it may begin as the others do
        return _read_safetensors(path)
    if head.startswith(b"PK"):
        kind, loaded = "torch zip", torch_files.read_zip(path)
    elif head.startswith(b"\x80"):
        kind, loaded = "torch legacy", torch_files.read_legacy(path)
    elif head[257:262] == b"ustar":
        raise InputError("it is in PyTorch's format of before 2018; load and save it once again")
    else:
        raise InputError("it is no file of torch.save, safetensors or ONNX (*.onnx)")
    return StateDict(kind, find(loaded.value, key, weights), loaded.inert, {})


def _read_safetensors(path: Path) -> StateDict:
    data = path.read_bytes()
    try:
        tensors: dict[str, Tensor] = {
            name: np.frombuffer(tensor["data"], _SAFETENSORS[tensor["dtype"]]).reshape(
                tensor["shape"]
            )
            for name, tensor in deserialize(data)
        }
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise InputError(f"it is a damaged file of safetensors: {error}") from None
    except KeyError as error:
        raise InputError(f"holds tensors of {error}, which cannot be imported") from None
    if not tensors:
        raise InputError("it is a file of safetensors that holds no tensors")
    found = Found(tensors, "", False, {}, [], {})
    return StateDict("safetensors", found, {}, header.get("__metadata__") or {})
