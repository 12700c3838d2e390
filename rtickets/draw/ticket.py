"""The ticket: a mask, the weights it inherits and where they come from, as a folder.

    ticket.json          format, version, provenance, per-layer sparsity, checksums
    weights.safetensors  params/... and batch_stats/..., float32
    mask.safetensors     one bit per prunable weight

A dense network is a ticket that removes nothing, so every stage reads and writes the same thing.
Loading needs none of the training code and executes nothing.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rtickets import masks
from rtickets.errors import InputError
from rtickets.masks import Mask, Params
from rtickets.metrics import write_bytes, write_json

FORMAT = "rtickets-ticket"
VERSION = 1


@dataclass(frozen=True)
class Ticket:
    """A mask and the weights it inherits.

    Attributes:
        mask: mask of `params`.
        params: nested dictionaries of weights; pruned ones are set to zero when the ticket is used.
        batch_stats: nested dictionaries of normalisation statistics, may be empty.
        meta: provenance and whatever else JSON can hold.
    """

    mask: Mask
    params: Params
    batch_stats: Any = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

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
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        files = {
            "weights.safetensors": save(
                _flatten({"params": self.params, "batch_stats": self.batch_stats})
            ),
            "mask.safetensors": save(masks.pack(self.mask)),
        }
        for name, data in files.items():
            write_bytes(temporary / name, data)
        write_json(temporary / "ticket.json", self._description(files))
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)

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
            tree = _unflatten(arrays["weights.safetensors"])
            params, bits = tree["params"], arrays["mask.safetensors"]
        except KeyError as error:
            raise InputError(f"{path}: the ticket lacks {error}") from None
        mask = masks.unpack(bits, params)
        return cls(mask, params, tree.get("batch_stats", {}), description["meta"])


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
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{file} is damaged: {error}") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(f"{file} does not describe a ticket")
    version = description.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise InputError(
            f"{path} has format version {version}, this rtickets reads up to {VERSION}; upgrade"
        )
    if not isinstance(description.get("sha256"), dict) or "meta" not in description:
        raise InputError(f"{file} is damaged: checksums or provenance are missing")
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
        return load(data)
    except SafetensorError as error:
        raise InputError(f"{path / name} is damaged: {error}") from None


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    flat: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        if not isinstance(name, str) or "/" in name:
            raise InputError(f"a ticket cannot store the name {name!r}")
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}/")
        elif hasattr(value, "shape"):
            flat[f"{prefix}{name}"] = np.ascontiguousarray(value)
        else:
            raise InputError(
                f"{prefix}{name} is a {type(value).__name__}; a ticket stores nested dictionaries "
                "of arrays"
            )
    return flat


def _unflatten(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split("/")
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
        node[name] = value
    return tree
