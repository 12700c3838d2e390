"""Other projects' networks as tickets: weights, statistics and where all of it came from."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jax
import numpy as np

from rtickets import masks, models
from rtickets._version import __version__
from rtickets.errors import InputError
from rtickets.importers import account, alikes, layouts, parity, pixels
from rtickets.importers.account import Fitted
from rtickets.importers.opened import Opened, open_checkpoint
from rtickets.importers.options import Options
from rtickets.importers.parity import Reference
from rtickets.importers.pixels import Pixels
from rtickets.importers.sizes import Sizes, class_names_of, sizes_of
from rtickets.importers.text.importer import import_text
from rtickets.masks import Mask
from rtickets.models import Model
from rtickets.models.settings import Arch
from rtickets.platform.short_repr import with_short_repr
from rtickets.settings import config_files
from rtickets.storage.fetched import here
from rtickets.storage.files import write_json
from rtickets.tickets import provenance
from rtickets.tickets.ticket import Ticket
from rtickets.training import HEAD

BERT = "bert"  # the architecture that reads texts


@with_short_repr
class Imported(NamedTuple):
    """An imported network.

    Attributes:
        ticket: the network, as every stage takes it; dense, unless the file holds masks.
        report: its provenance, and where every tensor of the file went; for JSON.
    """

    ticket: Ticket
    report: dict[str, Any]


def import_checkpoint(path: str | Path, arch: str, options: Options | None = None) -> Imported:
    """Turn another project's checkpoint into a ticket; PyTorch is not needed.

    Args:
        path: a state dict of `torch.save` (alone or in a training checkpoint) or of safetensors, or
            an ONNX residual network.
        arch: name of the architecture, see `rtickets.models.build`.
        options: what the file may not say.

    Raises:
        InputError: if the file is damaged or hostile, does not fit the architecture to the last
            tensor, says that it is another network, or does not compute what the reference does.
    """
    path = here(path)
    known = (*get_args(Arch), BERT)
    if arch not in known:
        raise InputError(f"arch={arch!r} is unknown; choose one of {', '.join(known)}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        if arch == BERT:
            return Imported(*import_text(path, options or Options()))
        _check_of_images(options or Options())
        return _import(path, arch, options or Options())
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save(imported: Imported, folder: Path) -> None:
    """Write the ticket, and the report as import.json, into a folder that must not exist.

    The tokenizer of an encoder of text is copied there too.
    """
    imported.ticket.save(folder)
    report = dict(imported.report)
    if (tokenizer := report.pop("tokenizer_file", None)) is not None:
        shutil.copyfile(tokenizer, folder / Path(tokenizer).name)
    write_json(folder / "import.json", report)


def _check_of_images(options: Options) -> None:
    given = {"--heads": options.heads, "--tokenizer": options.tokenizer}
    if of_texts := [name for name, value in given.items() if value is not None]:
        raise InputError(f"{of_texts[0]} is of --arch={BERT}, which reads texts; leave it")


def _import(path: Path, arch: Any, options: Options) -> Imported:
    opened, sizes, seen, model, fitted = _fitted(path, arch, options)
    # Before masks are taken: what turns a convolution round turns its mask, too.
    fitted = _adjusted(fitted, model, options)
    mask = _mask(fitted, options)
    if masks.sparsity(mask):
        fitted = fitted._replace(params=jax.device_get(masks.apply(mask, fitted.params)))
    size = options.image_size or opened.size or _said_size(opened) or _usual_size(sizes)
    shape = (size, size, sizes.channels)
    names, named_by = class_names_of(sizes.classes, options.class_names, opened.hints.config)
    reference = options.reference or _own_reference(opened, options, seen, shape)
    judgement = alikes.judge(
        sizes.config, opened.layout.name, _activation(model), opened.hints.network,
        chosen=options.settled, proven=reference is not None,
    )  # fmt: skip
    # Without a head the identity stood in, so that features could be compared.
    kept = [name for name in fitted.params if name != HEAD or sizes.classes is not None]
    mask, params = ({name: tree[name] for name in kept} for tree in (mask, fitted.params))
    entry = {
        "importer": f"rtickets {__version__}",
        "source": {"file": path.name, "sha256": _sha256(path), **opened.facts},
        "layout": opened.layout.name,
        "model": json.loads(json.dumps(config_files.to_dict(sizes.config))),  # as it is stored
        "normalization": {"mean": list(seen.mean), "std": list(seen.std), "from": seen.origin},
        "bgr": options.bgr,
        "epsilon": options.epsilon,
        "classes": sizes.classes,
        "class_names_from": named_by,
        "said": list(judgement.said),
        "said_by": judgement.said_by,
        "alike": list(judgement.alike),
        "left": _left(opened, sizes, model),
        "pruned": _pruned(mask, fitted, opened, options),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(params)),
        "weights_sha256": parity.checksum({"params": params, "batch_stats": fitted.batch_stats}),
        **parity.report(model, fitted.params, fitted.batch_stats, shape, reference),
    }
    meta = {
        "model": entry["model"], "class_names": list(names), "image_shape": list(shape),
        "mean": list(seen.mean), "std": list(seen.std),
        "history": [{"stage": "import", **entry}],
    }  # fmt: skip
    ticket = Ticket(mask, params, fitted.batch_stats, meta)
    return Imported(ticket, {**entry, "tensors": _tensors(opened, fitted)})


def _fitted(path: Path, arch: Any, options: Options) -> tuple[Opened, Sizes, Pixels, Model, Fitted]:
    """Open a file and fit its tensors; a missing head is the identity, to compare features by."""
    published = models.build(arch, 1000)
    opened = open_checkpoint(path, published, options.key, options.choice, options.scores_keep)
    try:
        sizes = sizes_of(arch, published, opened, options)
        seen = _pixels(opened, options, sizes)
        classes = sizes.features if sizes.classes is None else sizes.classes
        model = models.from_config(sizes.config, classes, mean=seen.mean, std=seen.std)
        alive = opened.pruned.masks
        fitted = account.fit(model, sizes.channels, opened.tensors, opened.layout, alive)
    except InputError as error:
        place = f"--arch={arch} in the layout {opened.layout.name}"
        raise InputError(f"does not fit {place}: {error}{_advice(arch, opened)}") from None
    return opened, sizes, seen, model, fitted


def _advice(arch: str, opened: Opened) -> str:
    """Say what the names of a file that does not fit tell."""
    likely = [other for other in layouts.likely(opened.tensors) if other != arch]
    stem = f"{opened.layout.layer('stem_conv')}.weight"
    prefixes = [name.removesuffix(stem) for name in opened.tensors if name.endswith(f".{stem}")]
    found = f"; its names are those of {' or '.join(likely)}" if likely else ""
    if prefixes and stem not in opened.tensors:
        found += f"; a network begins at --prefix={' or '.join(prefixes)}"
    features = alikes.features(opened.tensors)
    return found + (f"; it has {', '.join(features)}" if features else "")


def _pixels(opened: Opened, options: Options, sizes: Sizes) -> Pixels:
    """Return mean and standard deviation of pixels per channel, and where they come from."""
    if (opened.mean is None) != (opened.std is None):
        raise InputError("states only one of mean and standard deviation of pixels")
    channels, said = sizes.channels, opened.hints.config
    stated = None
    if opened.mean is not None and opened.std is not None:
        names = ", ".join(opened.others.get("normalization", ["its graph"]))
        stated = (opened.mean, opened.std, f"the file: {names}")
    elif pixels.are_numbers(said.get("mean")) and pixels.are_numbers(said.get("std")):
        stated = (said["mean"], said["std"], "config.json")
    if options.statistics is not None:
        origin = "--mean, --std" + (f", where {stated[2]} states its own" if stated else "")
        return pixels.given(*options.statistics, channels, origin)
    if stated is not None:
        return pixels.stated(*stated, channels, bgr=options.bgr)
    pixels.check_not_simclr(opened.layout.name, opened.hints.network)
    (mean, std), reason = opened.layout.assumed(sizes.classes, channels)
    mean, std = (provenance.channel_statistics(part, channels) for part in (mean, std))
    return Pixels(mean, std, f"assumed: {reason}")


def _adjusted(fitted: Fitted, model: Model, options: Options) -> Fitted:
    """Turn the first convolution round and fit variances to our epsilon, where asked for."""
    if options.bgr:
        layer = fitted.params["stem_conv"]
        layer["kernel"] = np.ascontiguousarray(layer["kernel"][:, :, ::-1])
        if "stem_conv/kernel" in fitted.masks:
            alive = fitted.masks["stem_conv/kernel"]
            fitted.masks["stem_conv/kernel"] = np.ascontiguousarray(alive[:, :, ::-1])
    if options.epsilon is None:
        return fitted
    difference = options.epsilon - models.epsilon_of(model)
    return fitted._replace(batch_stats=account.with_epsilon(fitted.batch_stats, difference))


def _mask(fitted: Fitted, options: Options) -> Mask:
    """Return the mask that the file holds, or that its zeros are, else the dense one."""
    dense = masks.full(fitted.params)
    leaves = masks.leaf_paths(dense)
    if options.zeros_are_pruned:
        if fitted.masks:
            raise InputError("--zeros-are-pruned: the file holds masks; leave the option")
        weights = masks.leaf_paths(fitted.params)
        leaves = {p: weights[p] != 0 if np.ndim(keep) else keep for p, keep in leaves.items()}
    leaves |= fitted.masks
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(dense), list(leaves.values()))


def _pruned(mask: Mask, fitted: Fitted, opened: Opened, options: Options) -> dict[str, Any]:
    """Return what is pruned, and how many of the prunable weights that live are exactly zero."""
    weights, alive = masks.leaf_paths(fitted.params), masks.prunable_leaves(mask)
    zeros = sum(int(((weights[path] == 0) & keep).sum()) for path, keep in alive.items())
    total = sum(keep.size for keep in alive.values())
    by = ", ".join(f"{count} {kind}" for kind, count in opened.pruned.kinds.items())
    return {
        "by": by or ("zeros" if options.zeros_are_pruned else ""),
        "sparsity": masks.sparsity(mask),
        "zeros": zeros / total if total else 0.0,
    }


def _activation(model: Model) -> str:
    return getattr(model, "activation", "relu6")


def _left(opened: Opened, sizes: Sizes, model: Model) -> list[str]:
    """Say what a config.json tells that may belong to another file."""
    hints, known = opened.hints, (sizes.config, opened.layout.name, _activation(model))
    if not hints.other:
        return []
    words = []
    for hint in hints.left:
        against = alikes.contradiction(*known, hint)
        words.append(f"{hint}, which contradicts: it tells of {against}" if against else str(hint))
    told = "; ".join(words) or "nothing about the network"
    return [
        f"a config.json lies beside it that may be {hints.other}'s, so nothing of it is taken, "
        f"statistics and classes neither (it has {told}); put it and its file into a folder of "
        "their own if it is this file's"
    ]


def _usual_size(sizes: Sizes) -> int:
    return 32 if sizes.config.stem == "small" else 224


def _said_size(opened: Opened) -> int | None:
    """Return the size of images that a config.json states as (C, H, W)."""
    size = opened.hints.config.get("input_size")
    if isinstance(size, list) and len(size) == 3 and size[1] == size[2]:
        return size[1] if type(size[1]) is int and 1 <= size[1] <= 4096 else None
    return None


def _own_reference(
    opened: Opened, options: Options, seen: Pixels, shape: tuple[int, int, int]
) -> Reference | None:
    """Return what the file itself computes, where it holds more than weights."""
    if opened.run is None:
        return None
    images = parity.fixed_images(shape)
    mean, std = (np.array(part, np.float32) for part in (seen.mean, seen.std))
    normalised = (images - mean) / std
    logits = opened.run(normalised[..., ::-1] if options.bgr else normalised)
    return Reference("the file's own graph", images, logits)


def _tensors(opened: Opened, fitted: Fitted) -> dict[str, Any]:
    """Return where every tensor of the file went."""
    unused = set(fitted.unused)
    used = {
        name: [fitted.used.get(part, part) for part in parts]
        for name, parts in opened.sources.items()
        if not unused.issuperset(parts)
    }
    never_read = [name for name in opened.sources if name not in used]
    return {"used": used, "never_read": never_read, **opened.others}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
