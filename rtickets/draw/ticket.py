"""The ticket: a mask, the weights it inherits and where they come from, as a folder.

    ticket.json          format, version, provenance, per-layer sparsity, checksums
    weights.safetensors  params/... and batch_stats/...; of prunable leaves the survivors alone,
                         in C order, so that a sparse ticket is small
    mask.safetensors     one bit per prunable weight, by path
    and ticket.json keeps the shapes of the prunable leaves

A dense network is a ticket that removes nothing, so every stage reads and writes the same thing.
Loading needs none of the training code and executes nothing.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.metrics import temporary_name, write_bytes, write_json

FORMAT = "rtickets-ticket"
VERSION = 1

# The reader of safetensors.numpy knows no bfloat16, though its writer does.
_DTYPES = {
    "BOOL": np.dtype(bool),
    "U8": np.dtype(np.uint8),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(jnp.bfloat16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}


@dataclass(frozen=True)
class Ticket:
    """A mask and the weights it inherits.

    Attributes:
        mask: mask of `params`.
        params: nested dictionaries of weights; saving keeps the survivors, so pruned weights of a
            loaded ticket are zero.
        batch_stats: nested dictionaries of normalisation statistics, may be empty.
        meta: provenance and whatever else JSON can hold.

    Raises:
        InputError: if the mask is none of these parameters, see `rtickets.masks.check`.
    """

    mask: Mask
    params: Params
    batch_stats: Any = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the mask."""
        masks.check(self.mask, self.params)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the ticket as a folder that is there whole or not at all.

        Args:
            path: the folder.
            overwrite: replace a ticket that is there already.

        Raises:
            InputError: if something is there that may not be replaced, or the weights are not
                nested dictionaries of arrays.
        """
        path = Path(path)
        if path.exists() and not (overwrite and (path / "ticket.json").is_file()):
            raise InputError(f"{path} exists; choose another folder for the ticket")
        survivors = jax.tree.map(_survivors, self.mask, self.params)
        files = {
            "weights.safetensors": save(
                _flatten({"params": survivors, "batch_stats": self.batch_stats})
            ),
            "mask.safetensors": save(masks.pack(self.mask)),
        }
        description = self._description(files)
        temporary = temporary_name(path)
        old = temporary.with_name(f"{temporary.name}.old")
        try:
            temporary.mkdir(parents=True)
            for name, data in files.items():
                write_bytes(temporary / name, data)
            write_json(temporary / "ticket.json", description)
            if path.exists():  # moved away first: a kill while it is deleted would lose both
                path.replace(old)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)

    def _description(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        summary = masks.summary(self.mask, self.params)
        return {
            "format": FORMAT,
            "version": VERSION,
            "sparsity": {
                "prunable": summary.prunable.sparsity,
                "parameters": summary.parameters.sparsity,
                "leaves": {path: count.sparsity for path, count in summary.leaves.items()},
            },
            "shapes": {
                path: list(np.shape(leaf))
                for path, leaf in masks.leaf_paths(self.mask).items()
                if np.ndim(leaf)
            },
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
            "meta": dict(self.meta),
        }

    @classmethod
    def load(cls, path: str | Path) -> "Ticket":
        """Read a ticket.

        Args:
            path: the folder that `save` wrote.

        Returns:
            The ticket, with NumPy arrays.

        Raises:
            InputError: for a folder that is no ticket, is damaged, or has a newer format.
        """
        path = Path(path)
        description = read_description(path)
        arrays = {name: _read(path, name, description) for name in description["sha256"]}
        try:
            weights, bits = arrays["weights.safetensors"], arrays["mask.safetensors"]
            shapes = {name: tuple(shape) for name, shape in description["shapes"].items()}
            alive = masks.unpack(bits, shapes)
            for name, keep in alive.items():
                weights[f"params/{name}"] = _scatter(weights[f"params/{name}"], keep, path)
            tree = _unflatten(weights, path)
            params, batch_stats = tree["params"], tree.get("batch_stats", {})
        except KeyError as error:
            raise InputError(f"{path} is damaged: it lacks {error}") from None
        if not (isinstance(params, dict) and isinstance(batch_stats, dict)):
            raise InputError(f"{path} is damaged: params or batch_stats is an array")
        flat = {name: alive.get(name, np.ones((), bool)) for name in _flatten(params)}
        return cls(_unflatten(flat, path), params, batch_stats, description["meta"])


def _survivors(keep: np.ndarray, leaf: np.ndarray) -> np.ndarray:
    return np.asarray(leaf)[np.asarray(keep)] if np.ndim(keep) else np.asarray(leaf)


def _scatter(survivors: np.ndarray, keep: np.ndarray, path: Path) -> np.ndarray:
    if survivors.shape != (int(keep.sum()),):
        raise InputError(f"{path} is damaged: weights and mask do not fit each other")
    dense = np.zeros(keep.shape, survivors.dtype)
    dense[keep] = survivors
    return dense


def read_description(path: Path) -> dict[str, Any]:
    """Read and check the JSON part of a ticket.

    Args:
        path: the ticket's folder.

    Returns:
        The contents of ticket.json.

    Raises:
        InputError: if it is missing, damaged, foreign or newer.
    """
    file = path / "ticket.json"
    if not file.is_file():
        raise InputError(f"{path} is not a ticket: it has no ticket.json")
    try:
        description = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is damaged: {error}") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{file} does not describe a ticket")
    version = description.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(
            f"{path} has format version {version}, this rtickets reads up to {VERSION}; upgrade"
        )
    fields = ("sha256", "shapes", "meta")
    missing = [name for name in fields if not isinstance(description.get(name), dict)]
    if missing:
        raise InputError(f"{file} is damaged: it lacks {', '.join(missing)}")
    for name, shape in description["shapes"].items():
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise InputError(f"{file} is damaged: the shape of {name} is {shape!r}")
    return description


def _read(path: Path, name: str, description: Mapping[str, Any]) -> dict[str, np.ndarray]:
    if name not in ("weights.safetensors", "mask.safetensors"):
        raise InputError(f"{path / 'ticket.json'} names an unknown file {name!r}")
    if not (path / name).is_file():
        raise InputError(f"{path} is incomplete: {name} is missing")
    data = (path / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != description["sha256"][name]:
        raise InputError(f"{path / name} is damaged: its checksum is not the one in ticket.json")
    try:
        return {
            key: np.frombuffer(tensor["data"], _DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
            for key, tensor in deserialize(data)
        }
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path / name} is damaged: {error}") from None


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    flat: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        if not isinstance(name, str) or "/" in name:
            raise InputError(f"a ticket cannot store the name {name!r}")
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}/")
        elif hasattr(value, "shape"):
            leaf = flat[f"{prefix}{name}"] = np.array(value, order="C")
            if leaf.dtype.name not in {dtype.name for dtype in _DTYPES.values()}:
                raise InputError(f"{prefix}{name} is {leaf.dtype}, which a ticket cannot store")
        else:
            raise InputError(
                f"{prefix}{name} is a {type(value).__name__}; a ticket stores nested dictionaries "
                "of arrays"
            )
    return flat


def _unflatten(flat: Mapping[str, np.ndarray], path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, name = key.split("/")
        node: Any = tree
        for parent in parents:
            node = node.setdefault(parent, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict) or name in node:
            raise InputError(f"{path} is damaged: a part of {key} is both an array and a folder")
        node[name] = value
    return tree
