"""A network found in a file of any format, before it is fitted to ours."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets import masks
from rtickets.errors import InputError
from rtickets.importers import account, hints
from rtickets.importers.files import StateDict, read_state_dict
from rtickets.importers.hints import Hints
from rtickets.importers.layouts import ONNX, Layout, layouts_of
from rtickets.importers.onnx_files import read_onnx
from rtickets.importers.pruned import Pruned, take_masks
from rtickets.importers.state_dicts import counter_of
from rtickets.importers.tensors import Tensor
from rtickets.importers.wrappers import Choice, Unwrapped, unwrap
from rtickets.models import Model
from rtickets.models.settings import Variant


class Opened(NamedTuple):
    """A network found in a file.

    Attributes:
        tensors: its tensors by their names in the layout.
        layout: the layout.
        sources: what every tensor of the file that the network consists of became.
        pruned: masks of its tensors, by the names of the layout.
        mean: per-channel mean of pixels that the file states, or None.
        std: per-channel standard deviation likewise.
        size: height and width of images that the file states, or None.
        variant: of the network that the file itself tells, or None.
        facts: format of the file, what wrapped the network, which weights were taken.
        others: tensors and parts of the file that are no weights, by what they are.
        hints: what the file says besides.
        run: the network as the file defines it, from normalised images to logits, or None where the
            file holds weights alone.
    """

    tensors: Mapping[str, Tensor]
    layout: Layout
    sources: dict[str, list[str]]
    pruned: Pruned
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    size: int | None
    variant: Variant | None
    facts: dict[str, Any]
    others: dict[str, Any]
    hints: Hints
    run: Callable[[np.ndarray], np.ndarray] | None


def open_checkpoint(
    path: Path,
    published: Model,
    key: str | None = None,
    choice: Choice | None = None,
    kept: float | None = None,
) -> Opened:
    """Find a network in a file, in the layout whose names fit best.

    Args:
        path: a file of `torch.save`, safetensors or ONNX (*.onnx).
        published: the network of ours that it should be, in its published size.
        key: where in the file the state dict lies; None finds it.
        choice: which of its names are meant; None is what can be found.
        kept: share of the weights of every layer that learnt scores keep, or None.
    """
    choice = choice or Choice()
    if path.suffix == ".onnx":
        if key is not None or choice != Choice() or kept is not None:
            raise InputError(
                "--key, --prefix, --ignore, --weights and --scores-keep are about state dicts; an "
                "ONNX file holds a graph"
            )
        return _open_onnx(path, published)
    state = read_state_dict(path, key, choice.weights)
    bare = unwrap(state.tensors, choice)
    weights = _weights(state, bare, choice)
    said = hints.gather(path, state.found.arguments, state.metadata)
    tensors, pruned = take_masks(bare.tensors, kept, said.shares)
    leaves = masks.leaf_paths(account.template(published, 3))

    # The layout that most names fit; what is left over or missing is complained of later.
    def overlap(layout: Layout) -> int:
        return len(tensors.keys() & set(account.source_names(leaves, layout).values()))

    layout = max(layouts_of(published), key=overlap)
    return Opened(
        tensors,
        layout,
        {name: [pruned.parts.get(bare_name, bare_name)] for bare_name, name in bare.source.items()},
        pruned,
        bare.mean,
        bare.std,
        None,
        layout.variant,
        {"format": state.format, "prefix": bare.prefix, **weights},
        {
            "normalization": bare.normaliser,
            "copies": bare.duplicates,
            "left": bare.left,
            "outside": state.outside,
            "inert": state.inert,
        },
        said,
        None,
    )


def _weights(state: StateDict, bare: Unwrapped, choice: Choice) -> dict[str, Any]:
    """Return which weights were taken, and which others there are, with the option for them."""
    averaged = state.found.averaged or bare.averaged
    if choice.weights is not None and averaged != (choice.weights == "ema"):
        there = "averages" if averaged else "raw weights, as far as its names say"
        raise InputError(f"--weights={choice.weights}: the file holds {there}; leave the option")
    places = {**state.found.others, **bare.others}
    return {
        "weights": "averaged" if averaged else "raw",
        "averaged_model": counter_of(state.tensors) is not None,
        "from": ".".join(filter(None, (state.found.place, bare.prefix.rstrip(".")))),
        "other_weights": {name: "averaged" if kind else "raw" for name, kind in places.items()},
    }


def _open_onnx(path: Path, published: Model) -> Opened:
    graph = read_onnx(path, published)
    sources: dict[str, list[str]] = {name: ["pixel normalisation"] for name in graph.pixel_names}
    for layer, names in graph.names.items():
        for name in names:
            sources.setdefault(name, []).append(layer)
    return Opened(
        graph.tensors,
        ONNX,
        sources,
        Pruned({}, {}, {}),
        graph.mean,
        graph.std,
        graph.size,
        graph.variant,
        {"format": "onnx", "prefix": ""},
        {"outside": graph.left, "folded": graph.folded},
        hints.gather(path, {}, {}),
        graph.run,
    )
