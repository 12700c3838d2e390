"""ONNX residual networks: their layers under our names, and what they compute."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rtickets.errors import InputError
from rtickets.importers import onnx_graph
from rtickets.importers.onnx_graph import Graph, Node
from rtickets.importers.onnx_run import evaluate
from rtickets.importers.tensors import Tensor
from rtickets.models import Model, ResNet
from rtickets.models.settings import Variant

_EPSILON = 1e-5  # of our normalisation layers
_MAX_SIZE = 512  # of images that a file is evaluated on
_Statistic = tuple[float, ...] | None


class OnnxNetwork(NamedTuple):
    """A residual network of an ONNX file.

    Attributes:
        tensors: its tensors by the paths of our layers and PyTorch's names of leaves.
        names: the tensors of the file behind each of them.
        left: tensors of the file that no layer uses.
        folded: layers whose normalisation was folded into a scale and a shift.
        mean: per-channel mean of pixels that the graph subtracts, or None.
        std: per-channel standard deviation that it divides by, or None.
        pixel_names: the tensors of the file behind these.
        size: height and width of its images, None where they are free.
        variant: of the network, where the graph tells.
        run: the graph itself by ONNX's reference evaluator, from normalised images (N, H, W, C) to
            logits.
    """

    tensors: dict[str, Tensor]
    names: dict[str, list[str]]
    left: list[str]
    folded: list[str]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    pixel_names: list[str]
    size: int | None
    variant: Variant | None
    run: Callable[[np.ndarray], np.ndarray]


@contextmanager
def _damage_named() -> Iterator[None]:
    """Turn whatever a damaged graph trips over into an error of ours."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        detail = str(error).strip() or type(error).__name__
        raise InputError(f"it is a damaged ONNX file: {detail.splitlines()[0]}") from None


@_damage_named()
def read_onnx(path: Path, model: Model) -> OnnxNetwork:
    """Read a residual network from an ONNX file.

    Args:
        model: the network of ours that it should be, for its number of blocks.
    """
    if not isinstance(model, ResNet):
        raise InputError("of ONNX, residual networks alone can be imported (--arch=resnet...)")
    loaded = onnx_graph.load(path)
    graph = onnx_graph.follow(loaded)
    layers = _named_layers(graph, model.stage_sizes)
    tensors: dict[str, Tensor] = {}
    for name, step in layers.items():
        tensors |= _leaves(name, step)
    used = {name for step in graph.steps for name in step.names}
    shape = graph.input_shape
    # Exporters of TensorFlow keep channels last.
    last = len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)
    size = shape[1 if last else 2] if len(shape) == 4 else None
    if size is not None and not 1 <= size <= _MAX_SIZE:
        raise InputError(f"its graph takes images of {size} pixels; expected 1 to {_MAX_SIZE}")
    pixels = graph.steps[0]

    @_damage_named()
    def run(x: np.ndarray) -> np.ndarray:
        raw = ((x - pixels.shift) / pixels.scale).astype(np.float32)  # the graph normalises itself
        inputs = raw if last else raw.transpose(0, 3, 1, 2)
        return evaluate(loaded, graph, np.ascontiguousarray(inputs))

    mean, std = _pixel_statistics(pixels, graph.takes_bytes)
    return OnnxNetwork(
        tensors,
        {name: step.names for name, step in layers.items()},
        sorted(graph.constants - used),
        [name for name, step in layers.items() if step.kind == "conv" and step.norm is None],
        mean,
        std,
        pixels.names,
        size,
        _variant(layers),
        run,
    )


def _named_layers(graph: Graph, stage_sizes: tuple[int, ...]) -> dict[str, Node]:
    """Return the layers by the paths of ours."""
    joins = [step for step in graph.steps if step.kind == "join"]
    places = [
        f"stage{stage}_block{block + 1}"
        for stage, size in enumerate(stage_sizes, 1)
        for block in range(size)
    ]
    if len(joins) != len(places):
        raise InputError(f"has {len(joins)} residual blocks, the architecture has {len(places)}")
    layers: dict[str, Node] = {}
    for place, join in zip(places, joins, strict=True):
        main, shortcut = _branches(join)
        layers |= {f"{place}/conv{i}": step for i, step in enumerate(main, 1)}
        layers |= {f"{place}/shortcut_conv": step for step in shortcut}
    inside = set(layers.values())
    for kind, name in (("conv", "stem_conv"), ("dense", "head")):
        rest = [step for step in graph.steps if step.kind == kind and step not in inside]
        if not rest and name == "head":  # the graph ends with features
            continue
        if len(rest) != 1:
            raise InputError(f"has {len(rest)} layers where a residual network has its {name}")
        layers[name] = rest[0]
    return layers


def _branches(join: Node) -> tuple[list[Node], list[Node]]:
    """Return the convolutions of a block's main path and of its shortcut, from first to last."""
    paths = [_back(step) for step in join.inputs]
    shared = set(paths[0]) & set(paths[1])
    found = [
        [step for step in reversed(path) if step not in shared and step.kind == "conv"]
        for path in paths
    ]
    # The order of a sum's arguments says nothing; the shorter path is the shortcut.
    shortcut, main = sorted(found, key=len)
    if not shared or len(shortcut) > 1 or not 2 <= len(main) <= 3:
        raise InputError("has blocks that are not those of a residual network of ours")
    return main, shortcut


def _back(step: Node) -> list[Node]:
    """Return a step and those before it, up to the last join or the input."""
    path = [step]
    while path[-1].kind not in ("join", "input"):
        path.append(path[-1].inputs[0])
    return path


def _leaves(name: str, step: Node) -> dict[str, np.ndarray]:
    """Return the tensors of a layer under PyTorch's names of leaves."""
    assert step.kernel is not None
    outputs = len(step.kernel)
    scale, shift = (np.broadcast_to(part, (outputs,)) for part in (step.scale, step.shift))
    if step.kind == "dense":
        return {f"{name}.weight": step.kernel * scale[:, None], f"{name}.bias": shift}
    if step.norm is None:
        mean, variance = np.zeros(outputs), np.ones(outputs)
    else:
        mean, variance = step.norm
    norm = name.replace("conv", "norm")
    return {
        f"{name}.weight": step.kernel,
        f"{norm}.weight": scale,
        f"{norm}.bias": shift,
        f"{norm}.running_mean": np.broadcast_to(mean, (outputs,)),
        f"{norm}.running_var": np.maximum(variance - _EPSILON, 0),  # which ours adds again
    }


def _variant(layers: dict[str, Node]) -> Variant | None:
    """Return 'caffe' where bottlenecks stride in their first convolution."""
    first = [step for name, step in layers.items() if name.endswith("_block1/conv1")]
    deep = any(name.endswith("/conv3") for name in layers)
    return "caffe" if deep and any(step.stride > 1 for step in first) else None


def _pixel_statistics(step: Node, takes_bytes: bool) -> tuple[_Statistic, _Statistic]:
    """Return mean and standard deviation where the graph itself says what its pixels are."""
    if not step.names:
        return ((0.0,), (1 / 255,)) if takes_bytes else (None, None)
    scale, shift = np.broadcast_arrays(step.scale, step.shift)
    mean, std = -shift / scale, 1 / scale
    return tuple(float(value) for value in mean), tuple(float(value) for value in std)
