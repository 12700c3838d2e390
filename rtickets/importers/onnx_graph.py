"""The layers of an ONNX residual network, found by following its graph.

Exporters rename tensors, fold normalisation into convolutions or spell it out as arithmetic, and
transpose at will; what stays is the order of the operations. So the graph is followed from its
input, constants that act per channel are gathered into the layer they act on, and the additions of
two activations are the blocks.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rtickets.errors import InputError
from rtickets.importers.onnx_constants import (
    Constant,
    attributes,
    check_windows,
    compute,
    constant,
    need,
)


@dataclass(eq=False)
class Node:
    """A step of the network.

    Attributes:
        kind: 'input', 'conv', 'dense', 'relu', 'pool', 'mean' or 'join'.
        inputs: the steps before.
        kernel: of a convolution (O, I, kh, kw) or a dense layer (O, I).
        scale: per-channel factor that acts on the step's output.
        shift: per-channel summand likewise.
        norm: (mean, variance) where the file has a normalisation layer, else None.
        names: the tensors of the file that made this step, by what they are.
        stride: of a convolution, along the first axis.
    """

    kind: str
    inputs: tuple["Node", ...] = ()
    kernel: np.ndarray | None = None
    scale: np.ndarray = field(default_factory=lambda: np.ones(1))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(1))
    norm: tuple[np.ndarray, np.ndarray] | None = None
    names: list[str] = field(default_factory=list)
    stride: int = 1

    def act(self, scale: np.ndarray, shift: np.ndarray) -> None:
        """Let a per-channel scale and shift act on the output."""
        self.scale, self.shift = self.scale * scale, self.shift * scale + shift


class Graph(NamedTuple):
    """A network as steps.

    Attributes:
        steps: all steps in the graph's order.
        constants: names of the file's tensors that are floating-point arrays.
        logits: name of the value before the softmax, or of the output.
        input_name: name of the input.
        input_shape: its shape, None where it is free.
        takes_bytes: whether it takes unsigned bytes, which are pixels in [0, 255].
    """

    steps: list[Node]
    constants: set[str]
    logits: str
    input_name: str
    input_shape: tuple[int | None, ...]
    takes_bytes: bool


_PASSED_ON = {
    "Cast", "Dropout", "Flatten", "Identity", "Pad", "Reshape", "Squeeze", "Transpose", "Unsqueeze",
}  # fmt: skip
_KINDS = {
    "Relu": "relu", "MaxPool": "pool", "GlobalAveragePool": "mean", "ReduceMean": "mean",
    "AveragePool": "mean",
}  # fmt: skip


def load(path: Path) -> Any:
    """Read an ONNX file whose weights lie in it.

    Raises:
        InputError: also if the package `onnx` is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise InputError("reading ONNX needs pip install 'rtickets[onnx]'") from None
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise InputError(f"it is a damaged ONNX file: {error}") from None
    if not model.graph.node:
        raise InputError("it is a damaged ONNX file: it has no operations")
    graph = model.graph
    inside = (attribute.t for node in graph.node for attribute in node.attribute)
    if any(tensor.external_data for tensor in (*graph.initializer, *inside)):
        raise InputError("its weights lie in other files; save it with all data in one file")
    if model.functions or any(node.domain not in ("", "ai.onnx") for node in graph.node):
        raise InputError("its graph has operations of its own, which no residual network needs")
    if graph.sparse_initializer:
        raise InputError("its graph has sparse tensors, which no residual network of ours has")
    return model


def follow(model: Any) -> Graph:
    """Follow the graph of a network, as `load` returned it, from its input to its logits.

    Raises:
        InputError: for an operation that no residual network has.
        Exception: whatever a damaged graph makes it trip over.
    """
    from onnx import TensorProto, numpy_helper

    graph = model.graph
    values: dict[str, Any] = {
        tensor.name: Constant(tensor.name, numpy_helper.to_array(tensor))
        for tensor in graph.initializer
    }
    inputs = [value for value in graph.input if value.name not in values]
    if len(inputs) != 1:
        raise InputError(f"its graph has {len(inputs)} inputs, expected one: images")
    constants = {name for name, value in values.items() if value.array.dtype.kind == "f"}
    first = values[inputs[0].name] = Node("input")
    steps, logits = [first], graph.output[0].name
    for operation in graph.node:
        check_windows(operation)
        arguments = [values.get(name) for name in operation.input]
        if operation.op_type == "Softmax" and isinstance(arguments[0], Node):
            logits, result = operation.input[0], arguments[0]
        else:
            result = _apply(operation, arguments)
        for name in operation.output:
            values[name] = result
        if isinstance(result, Node):
            steps.append(result)
    kind = inputs[0].type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    takes_bytes = kind.elem_type == TensorProto.UINT8
    # What acts on a layer gives its step again.
    return Graph(list(dict.fromkeys(steps)), constants, logits, inputs[0].name, shape, takes_bytes)


def _apply(operation: Any, arguments: list[Any]) -> Any:
    """Return what an operation makes of steps and constants; None for sizes and the like."""
    kind = operation.op_type
    if kind == "Constant":
        return constant(operation)
    if kind == "Shape" or not any(isinstance(argument, Node) for argument in arguments):
        return compute(kind, arguments)
    head, *rest = arguments
    if kind in _PASSED_ON and isinstance(head, Node):
        return head
    if kind == "Clip":
        raise InputError("its graph clips activations; residual networks have plain ReLUs")
    if kind in _KINDS:
        return Node(_KINDS[kind], (head,))
    if kind in _LAYERS and isinstance(head, Node):
        return _LAYERS[kind](operation, head, rest)
    if kind in ("Add", "Sub", "Mul", "Div"):
        return _arithmetic(kind, head, rest[0])
    raise InputError(f"its graph has the operation {kind}, which no residual network of ours has")


def _conv(operation: Any, head: Node, rest: list[Any]) -> Node:
    kernel = need(rest[0], "a kernel")
    if attributes(operation).get("group", 1) != 1:
        raise InputError("its graph has grouped convolutions; no residual network of ours has them")
    step = Node("conv", (head,), kernel.array, names=[kernel.name])
    step.stride = attributes(operation).get("strides", [1])[0]
    return _with_bias(step, rest[1:])


def _gemm(operation: Any, head: Node, rest: list[Any]) -> Node:
    found = attributes(operation)
    factors = {found.get(name, 1.0) for name in ("alpha", "beta")}
    if found.get("transA", 0) or factors != {1.0}:
        raise InputError("its graph scales or transposes in Gemm, which no classifier needs")
    kernel = need(rest[0], "the kernel of the head")
    array = kernel.array if found.get("transB", 0) else kernel.array.T
    return _with_bias(Node("dense", (head,), array, names=[kernel.name]), rest[1:])


def _matmul(operation: Any, head: Node, rest: list[Any]) -> Node:
    del operation
    kernel = need(rest[0], "the kernel of the head")
    return Node("dense", (head,), kernel.array.T, names=[kernel.name])


def _with_bias(step: Node, rest: list[Any]) -> Node:
    if rest and rest[0] is not None:
        bias = need(rest[0], "a bias")
        step.act(np.ones(1), bias.array.astype(np.float64))
        step.names.append(bias.name)
    return step


def _batch_norm(operation: Any, head: Node, rest: list[Any]) -> Node:
    parts = [need(value, "normalisation statistics") for value in rest]
    if head.kind != "conv" or head.norm is not None or head.scale.size > 1:
        raise InputError("its graph normalises something else than the output of a convolution")
    # float64: constants of several operations are multiplied before one float32 is made of them.
    scale, bias, mean, variance = (part.array.astype(np.float64) for part in parts)
    variance = variance + attributes(operation).get("epsilon", 1e-5)
    head.norm = (mean - head.shift, variance)  # a convolution's bias moves the mean
    head.scale, head.shift = scale, bias
    head.names += [part.name for part in parts]
    return head


_LAYERS: dict[str, Callable[[Any, Node, list[Any]], Node]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
}


def _arithmetic(kind: str, a: Any, b: Any) -> Node:
    """Join two steps, or let a constant act on one."""
    if isinstance(a, Node) and isinstance(b, Node):
        if kind != "Add":
            raise InputError(f"its graph has {kind} of two activations; expected sums alone")
        return Node("join", (a, b))
    step, other = (a, b) if isinstance(a, Node) else (b, a)
    factor = need(other, "arithmetic")
    if kind in ("Sub", "Div") and step is b:
        raise InputError(f"its graph has {kind} of a constant and an activation")
    values = factor.array.astype(np.float64).reshape(-1)
    channels = values.size if step.kernel is None else len(step.kernel)
    if step.kind not in ("conv", "dense", "input") or values.size not in (1, channels):
        raise InputError(f"its graph has {kind} with {factor.name} where a layer has none")
    if kind in ("Mul", "Div"):
        step.act(values if kind == "Mul" else 1 / values, np.zeros(1))
    else:
        step.act(np.ones(1), values if kind == "Add" else -values)
    step.names.append(factor.name)
    return step
