"""The ticket: a mask, the weights it inherits and where they come from, as a folder.

    ticket.json          format, version, provenance, per-layer sparsity, checksums
    weights.safetensors  params/... and batch_stats/...; of prunable leaves the survivors alone,
                         in C order, so that a sparse ticket is small
    mask.safetensors     one bit per prunable weight, by path
    and ticket.json keeps the shapes of the prunable leaves, and in version 2 what names do not tell
    of how dictionaries nest: `keys` and `empty`, see `rtickets.tickets.stored_trees`

A dense network is a ticket that removes nothing, so every stage reads and writes the same thing.
Loading needs none of the training code and executes nothing.
"""

import hashlib
import html
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rtickets import masks
from rtickets.errors import InputError, printable
from rtickets.masks import Mask, Params
from rtickets.storage import guarded, workdirs
from rtickets.storage.files import write_bytes, write_json
from rtickets.storage.temporary import name_of_old, temporary_name
from rtickets.tickets import hub, stored_trees, tensors
from rtickets.tickets.description import as_json, describe, stages_in
from rtickets.tickets.description import read_description as read_description
from rtickets.tickets.stored_trees import Stored

Arrays = dict[str, np.ndarray]
_WEIGHTS, _MASK = "weights.safetensors", "mask.safetensors"


@dataclass(frozen=True)
class Ticket:
    """A mask and the weights it inherits.

    Attributes:
        mask: mask of `params`.
        params: nested dictionaries of weights, or a state of flax.nnx. Saving keeps the survivors,
            so pruned weights of a loaded ticket are zero, whatever they were.
        batch_stats: normalisation statistics likewise, may be empty.
        meta: provenance and whatever else JSON can hold.

    Raises:
        InputError: if the mask is none of these parameters, see `rtickets.masks.check`.
    """

    mask: Mask
    params: Params
    batch_stats: Any = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        masks.check(self.mask, self.params)

    def __repr__(self) -> str:
        """Return how much of the network is pruned, and what made the ticket, in a line."""
        prunable = masks.summary(self.mask, self.params).prunable
        stages = [printable(str(entry.get("stage"))) for entry in stages_in(self.meta)]
        made = f", {' > '.join(stages)}" if stages else ""
        alive = f"{prunable.survivors:,} of {prunable.total:,} prunable weights"
        return f"Ticket({alive}, sparsity {prunable.sparsity:.4g}{made})"

    def _repr_html_(self) -> str:
        """Return that line and what is pruned leaf by leaf, for notebooks."""
        leaves = masks.summary(self.mask, self.params)._repr_html_()
        return f"<p>{html.escape(repr(self))}</p>{leaves}"

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write the ticket as a folder that is there whole or not at all.

        In a bucket one that is replaced is removed first, since nothing there can be exchanged at
        once: until all of the new one is there, there is none.

        What was written is read again and compared with the ticket before the folder gets its name.
        Every mapping comes back as a dictionary, a state of flax.nnx as `nnx.to_pure_dict` makes
        it, every array as one of NumPy, and the tuples of `meta` as lists.

        Args:
            path: the folder; as text also s3://... or gs://..., see docs/storage.md.
            overwrite: replace a ticket that is there already.

        Raises:
            InputError: if something is there that may not be replaced; for an address of anything
                but a bucket, or one that is a `Path` and no text; or, before anything is
                written, if parameters and statistics are not nested dictionaries of arrays that can
                be stored, with keys of text or integers, or `meta` is not what JSON can hold.
        """
        path = workdirs.local(path)
        guarded.check_no_link(path)
        if path.exists() and not _may_be_replaced(path, overwrite):
            is_ticket = (path / "ticket.json").is_file()
            remedy = ", or replace it by overwrite=True" if is_ticket else ""
            raise InputError(f"{path} exists; choose another folder for the ticket{remedy}")
        meta = as_json(self.meta)
        stored, alive = self._stored(), masks.prunable_leaves(self.mask)
        files = {
            _WEIGHTS: tensors.to_bytes(_survivors(stored.arrays, alive)),
            _MASK: tensors.to_bytes(masks.pack(self.mask)),
        }
        summary = masks.summary(self.mask, self.params)
        description = describe(summary, stored, alive, files, meta)
        temporary = temporary_name(path)
        old = name_of_old(temporary)
        try:
            temporary.mkdir(parents=True)
            for name, data in files.items():
                write_bytes(temporary / name, data)
            write_json(temporary / "ticket.json", description)
            # Under its temporary name: what reads back changed never takes the place of a ticket.
            self._compare(Ticket.load(temporary), stored)
            if path.exists():  # moved away first: a kill while it is deleted would lose both
                path.replace(old)
            temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        workdirs.saved(path)
        shutil.rmtree(old, ignore_errors=True)

    def _stored(self) -> Stored:
        return stored_trees.flatten({"params": self.params, "batch_stats": self.batch_stats})

    def _compare(self, loaded: "Ticket", stored: Stored) -> None:
        """Raise InputError unless a ticket that was read is this one, zero where it is pruned."""
        found = loaded._stored()
        alive, kept = masks.prunable_leaves(self.mask), masks.prunable_leaves(loaded.mask)
        given, read = _contents(stored.arrays, alive), _contents(found.arrays, kept)
        changed = [
            name
            for name in {**given, **read}
            if name not in given or name not in read or not tensors.same(given[name], read[name])
        ]
        if (found.keys, found.empty) != (stored.keys, stored.empty):
            changed.append("the nesting of dictionaries")
        if loaded.meta != as_json(self.meta):
            changed.append("meta")
        if changed:
            raise InputError(f"what was written reads back changed, {changed[0]}; nothing is saved")

    @classmethod
    def load(cls, path: str | Path) -> "Ticket":
        """Read a ticket that `save` wrote, its arrays as NumPy's in nested dictionaries.

        Args:
            path: its folder, or a run folder that holds one; or, as text, where it is on the
                Hugging Face Hub, hf://OWNER/NAME@REVISION, see `rtickets.tickets.hub`, or in a
                bucket, s3://... or gs://...

        Raises:
            InputError: for a folder that is no ticket, is damaged, or has a newer format, or for an
                address that cannot be had.
        """
        path = hub.fetch(str(path)) if hub.is_address(path) else workdirs.local(path)
        if not (path / "ticket.json").exists() and (path / "ticket").is_dir():
            path = path / "ticket"
        description = read_description(path)
        files = {name: _read(path, name, description) for name in description["sha256"]}
        try:
            return _assemble(files, description)
        except KeyError as error:
            raise InputError(f"{path} is damaged: it lacks {error}") from None
        except InputError as error:
            raise InputError(f"{path} is damaged: {error}") from None


def _may_be_replaced(path: Path, overwrite: bool) -> bool:
    if (path / "ticket.json").is_file():
        return overwrite
    # In a bucket a save that was killed leaves files, and the last of them, which counts, is not
    # among them.
    is_there = workdirs.address_of(path) is not None and path.is_dir()
    return is_there and {one.name for one in path.iterdir()} <= {_WEIGHTS, _MASK}


def _survivors(arrays: Arrays, alive: Mapping[str, np.ndarray]) -> Arrays:
    kept = {f"params/{path}": arrays[f"params/{path}"][keep] for path, keep in alive.items()}
    return {**arrays, **kept}


def _contents(arrays: Arrays, alive: Mapping[str, np.ndarray]) -> Arrays:
    """Return all arrays of a ticket, the pruned weights zero."""
    zeroed = {}
    for path, keep in alive.items():
        weights = arrays[f"params/{path}"]
        zeroed[f"params/{path}"] = np.where(keep, weights, np.zeros((), weights.dtype))
    return {**arrays, **zeroed, **{f"the mask of {path}": keep for path, keep in alive.items()}}


def _read(path: Path, name: str, description: Mapping[str, Any]) -> Arrays:
    if name not in (_WEIGHTS, _MASK):
        raise InputError(f"{path / 'ticket.json'} names an unknown file {name!r}")
    if not (path / name).is_file():
        raise InputError(f"{path} is incomplete: {name} is missing")
    data = (path / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != description["sha256"][name]:
        raise InputError(f"{path / name} is damaged: its checksum is not the one in ticket.json")
    try:
        return tensors.from_bytes(data)
    except InputError as error:
        raise InputError(f"{path / name} is damaged: {error}") from None


def _assemble(files: Mapping[str, Arrays], description: Mapping[str, Any]) -> Ticket:
    weights, bits = files[_WEIGHTS], files[_MASK]
    shapes = {name: tuple(shape) for name, shape in description["shapes"].items()}
    alive = masks.unpack(bits, shapes)
    for name, keep in alive.items():
        weights[f"params/{name}"] = _scatter(name, weights[f"params/{name}"], keep)
    keys = {
        name: stored_trees.to_keys(value) for name, value in description.get("keys", {}).items()
    }
    empty = [stored_trees.to_keys(value) for value in description.get("empty", [])]
    tree = stored_trees.unflatten(Stored(weights, keys, empty))
    params, batch_stats = tree.pop("params"), tree.pop("batch_stats", {})
    if not (isinstance(params, dict) and isinstance(batch_stats, dict)):
        raise InputError("params or batch_stats is an array")
    if tree:
        raise InputError(f"it has {min(tree)!r} beside params and batch_stats")
    leaves = [alive.get(path, np.ones((), bool)) for path in masks.leaf_paths(params)]
    mask = jax.tree.unflatten(jax.tree.structure(params), leaves)
    return Ticket(mask, params, batch_stats, description["meta"])


def _scatter(name: str, survivors: np.ndarray, keep: np.ndarray) -> np.ndarray:
    if survivors.shape != (int(keep.sum()),):
        raise InputError(f"weights and mask do not fit each other at {name}")
    try:
        dense = np.zeros(keep.shape, survivors.dtype)
    except ValueError:  # NumPy's own, of a shape without elements but with an axis too long
        raise InputError(f"{name} cannot have the shape {keep.shape}") from None
    dense[keep] = survivors
    return dense
