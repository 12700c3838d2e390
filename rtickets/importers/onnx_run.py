"""What an ONNX graph computes, by ONNX's reference evaluator, with an eye on what it makes."""

import math
from typing import Any

import numpy as np

from rtickets.errors import InputError
from rtickets.importers.onnx_graph import Graph

_MAX_MADE = 1 << 26  # numbers that an operation makes; the stem has 8 million at 224 pixels
_MAX_COMPUTED = 1 << 20  # those made of shapes and constants, or by broadcasting
_MAX_BYTES = 1 << 29  # of activations at a time


def evaluate(model: Any, graph: Graph, x: np.ndarray) -> np.ndarray:
    """Run a graph, checked by `onnx_graph.follow`, image by image, since it may take but one.

    Returns:
        Logits, float32 (N, classes).

    Raises:
        InputError: if it makes more of them than any residual network of ours.
        Exception: whatever a damaged graph makes the evaluator trip over.
    """
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    rows = [_run(evaluator, graph, image[None]) for image in x]
    return np.asarray(rows, np.float32).reshape(len(x), -1)


def _run(evaluator: Any, graph: Graph, image: np.ndarray) -> np.ndarray:
    """Run a graph on one image; what is not needed any more is forgotten."""
    nodes, constants = evaluator.rt_nodes_, {"": None, **evaluator.rt_inits_}
    last = {name: index for index, node in enumerate(nodes) for name in node.input}
    values = {graph.input_name: image}
    for index, node in enumerate(nodes):
        arguments = [values.get(name, constants.get(name)) for name in node.input]
        # Before it runs: what it would make is known by the shapes of its arguments.
        _check(node, arguments)
        values.update(zip(node.output, node.run(*arguments), strict=False))
        if graph.logits in values:
            break
        if sum(np.asarray(value).nbytes for value in values.values()) > _MAX_BYTES:
            raise InputError(f"its graph needs more than {_MAX_BYTES:,} bytes for an image")
        values = {name: value for name, value in values.items() if last.get(name, -1) > index}
    return values[graph.logits]


def _check(node: Any, arguments: list[Any]) -> None:
    """Check that an operation does not make much of little; its windows are checked already."""
    kind, limit, made = node.op_type, _MAX_MADE, 0
    shapes = [np.shape(argument) for argument in arguments]
    sizes = list(map(math.prod, shapes))
    if kind in ("ConstantOfShape", "Concat", "Gather"):
        sides = np.ravel(arguments[0]).tolist() if kind == "ConstantOfShape" else sizes
        made, limit = sum(sizes) if kind == "Concat" else math.prod(sides), _MAX_COMPUTED
    elif kind in ("Add", "Sub", "Mul", "Div"):
        made = math.prod(np.broadcast_shapes(*shapes))
        limit = _MAX_COMPUTED if made > max(sizes) else _MAX_MADE
    elif kind in ("MatMul", "Gemm"):
        made = math.prod(shapes[0][:-1]) * max(shapes[1])
    elif kind == "Pad" and len(arguments) > 1:
        made = _padded(shapes[0], np.ravel(arguments[1]).tolist())
    elif kind in ("Pad", "MaxPool", "AveragePool"):
        made = _padded(shapes[0], _pads(node))
    elif kind == "Conv":
        outputs, *window = shapes[1]
        made = _padded((1, *shapes[0][2:]), _pads(node)) * max(outputs, math.prod(window))
    if made > limit:
        raise InputError(
            f"its graph makes {made:,} numbers by {kind}, more than any network of ours"
        )


def _pads(node: Any) -> list[int]:
    return list(getattr(node, "pads", None) or ())


def _padded(shape: tuple[int, ...], pads: Any) -> int:
    """Return the size of an array with padding before and after its last axes."""
    axes = len(pads) // 2
    grown = [
        abs(before) + abs(after) for before, after in zip(pads[:axes], pads[axes:], strict=True)
    ]
    first = len(shape) - axes
    return math.prod(shape[:first]) * math.prod(map(sum, zip(shape[first:], grown, strict=True)))
