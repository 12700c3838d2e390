"""A network found in a file of any format, before it is fitted to ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets import masks
from rtickets.importers import account
from rtickets.importers.files import read_state_dict
from rtickets.importers.layouts import ONNX, Layout, layouts_of
from rtickets.importers.onnx_files import read_onnx
from rtickets.importers.tensors import Tensor
from rtickets.importers.wrappers import unwrap
from rtickets.models import Model


class Opened(NamedTuple):
    """A network found in a file.

    Attributes:
        tensors: its tensors by their names in the layout.
        layout: the layout.
        sources: what every tensor of the file that the network consists of became.
        mean: per-channel mean of pixels that the file states, or None.
        std: per-channel standard deviation likewise.
        size: height and width of images that the file states, or None.
        facts: format of the file and what wrapped the network.
        others: tensors and parts of the file that are no weights, by what they are.
        run: the network as the file defines it, from normalised images to logits, or None where the
            file holds weights alone.
    """

    tensors: dict[str, Tensor]
    layout: Layout
    sources: dict[str, list[str]]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    size: int | None
    facts: dict[str, Any]
    others: dict[str, Any]
    run: Callable[[np.ndarray], np.ndarray] | None


def open_checkpoint(path: Path, published: Model, key: str | None = None) -> Opened:
    """Find a network in a file.

    Args:
        path: a file of `torch.save`, safetensors or ONNX (*.onnx).
        published: the network of ours that it should be, in its published size.
        key: where in the file the state dict lies; None finds it.

    Returns:
        The network, in the layout whose names fit best.

    Raises:
        InputError: if there is none, or the file is damaged or hostile.
    """
    if path.suffix == ".onnx":
        return _open_onnx(path, published)
    state = read_state_dict(path, key)
    bare = unwrap(state.tensors)
    leaves = masks.leaf_paths(account.template(published, 3))

    def overlap(layout: Layout) -> int:
        return len(bare.tensors.keys() & set(account.source_names(leaves, layout).values()))

    return Opened(
        bare.tensors,
        max(layouts_of(published), key=overlap),
        {name: [bare_name] for bare_name, name in bare.source.items()},
        bare.mean,
        bare.std,
        None,
        {"format": state.format, "prefix": bare.prefix},
        {
            "normalization": bare.normaliser,
            "copies": bare.duplicates,
            "outside": state.outside,
            "inert": state.inert,
        },
        None,
    )


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
        graph.mean,
        graph.std,
        graph.size,
        {"format": "onnx", "prefix": ""},
        {"outside": graph.left, "folded": graph.folded},
        graph.run,
    )
