"""A forward pass as an ONNX graph, operation by operation.

What depends on weights alone is computed here, so that the graph has only what depends on the
inputs. The number of examples stays open. Values that are spread over an axis are left unspread
where ONNX spreads them by itself.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from rtickets.errors import InputError
from rtickets.exporters.onnx_operations import OPERATIONS
from rtickets.platform.jaxprs import called, carried_out, follow

OPSET = 18
_ALIASES = {"stop_gradient", "copy", "copy_p", "reduce_precision", "optimization_barrier"}


class Node(NamedTuple):
    """A value of the graph.

    Attributes:
        name: of it in the graph; '' of a constant that is not in it yet.
        shape: as JAX has it; a number of examples is no int.
        constant: its value, if it has one.
        spread: whether its shape in the graph is that, or has 1 where it is to be spread.
    """

    name: str
    shape: tuple[Any, ...]
    constant: np.ndarray | None = None
    spread: bool = True


class Graph:
    """A graph that grows."""

    def __init__(self, entry: str, count: Any) -> None:
        """Begin one of what it is given, and of how many examples."""
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._entry, self._count = entry, count

    def constant(self, value: Any) -> str:
        """Put a constant into the graph and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def name_of(self, node: Node) -> str:
        """Return the name of a node, a constant being put into the graph."""
        return node.name or self.constant(node.constant)

    def add(self, operation: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add an operation and return the name of what it returns."""
        from onnx import helper

        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def whole(self, node: Node) -> Node:
        """Return a node as large as its shape says."""
        if node.spread:
            return node
        name = self.add("Expand", [self.name_of(node), self._sizes(node.shape)])
        return Node(name, node.shape)

    def _sizes(self, shape: Sequence[Any]) -> str:
        """Return a shape, the number of examples being that of what the graph is given."""
        if all(isinstance(size, int) for size in shape):
            return self.constant(np.array(shape, np.int64))
        parts = []
        for size in shape:
            if not isinstance(size, int) and size != self._count:
                raise InputError(
                    f"the network spreads a value over {size} places, where {self._count} is the "
                    "number of examples; that has no counterpart in ONNX here, take another format"
                )
            parts.append(
                self.constant(np.array([size], np.int64))
                if isinstance(size, int)
                else self.add("Shape", [self._entry], start=0, end=1)
            )
        return self.add("Concat", parts, axis=0)


def make_onnx(function: Callable[[Any], Any], shape: Sequence[int], name: str = "image") -> Any:
    """Return the ONNX model of a function of an array (B, *shape) of float32.

    Raises:
        InputError: for an operation that has no counterpart here, or without the package onnx.
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError:
        raise InputError(
            "ONNX needs the package onnx; pip install 'rtickets[export]', or choose another format"
        ) from None
    (count,) = jax.export.symbolic_shape("b")
    given = jax.ShapeDtypeStruct((count, *shape), np.float32)
    closed = jax.make_jaxpr(function)(given)
    graph = Graph(name, count)
    answers = _follow(graph, closed, [Node(name, (count, *shape))])
    outputs = []
    for number, answer in enumerate(answers):
        out = "logits" if len(answers) == 1 else f"output_{number}"
        graph.nodes.append(
            helper.make_node("Identity", [graph.name_of(graph.whole(answer))], [out])
        )
        sizes = [size if isinstance(size, int) else "batch" for size in answer.shape]
        outputs.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, sizes))
    entry = helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
    made = helper.make_graph(graph.nodes, "rtickets", [entry], outputs, graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, producer_name="rtickets", opset_imports=opsets, ir_version=9)
    checker.check_model(model)
    return model


def _follow(graph: Graph, program: Any, given: Sequence[Node]) -> list[Node]:
    return follow(program, given, partial(_step, graph), _constant)


def _constant(value: Any) -> Node:
    array = np.asarray(value)
    return Node("", array.shape, array)


def _step(graph: Graph, equation: Any, operands: list[Node]) -> list[Node]:
    name = equation.primitive.name
    if name == "platform_index":  # the last is the one for every platform
        return [_constant(np.int32(len(equation.params["platforms"]) - 1))]
    if name == "cond" and operands[0].constant is not None:
        branch = equation.params["branches"][int(operands[0].constant)]
        return _follow(graph, branch, operands[1:])
    if inner := called(equation, len(operands)):
        return _follow(graph, inner, operands)
    if name in _ALIASES:
        return operands
    shapes = [variable.aval.shape for variable in equation.outvars]
    fixed = all(isinstance(size, int) for shape in shapes for size in shape)
    if fixed and all(each.constant is not None for each in operands):
        return [*map(_constant, carried_out(equation, [each.constant for each in operands]))]
    if name not in OPERATIONS:
        raise InputError(
            f"the network has the operation {name}, which has no counterpart in ONNX here; take "
            "another format, or add it to rtickets.exporters.onnx_operations.OPERATIONS"
        )
    return [OPERATIONS[name](graph, equation, operands)]
