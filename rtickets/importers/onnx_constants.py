"""Constants of an ONNX graph, and what may be computed from them beside the network itself."""

from typing import Any, NamedTuple

import numpy as np

from rtickets.errors import InputError

_SHAPE_ARITHMETIC = {
    "Add", "Cast", "Concat", "ConstantOfShape", "Div", "Gather", "Identity", "Mul", "Reshape",
    "Shape", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze",
}  # fmt: skip
_MAX_WINDOW = 64  # pixels


class Constant(NamedTuple):
    """A tensor that the file holds."""

    name: str
    array: np.ndarray


def compute(kind: str, arguments: list[Any]) -> Constant | None:
    """Return what an operation makes of constants alone: itself, or something of no interest.

    No exporter needs more for the shapes of activations; anything else is refused.
    """
    if kind not in _SHAPE_ARITHMETIC:
        raise InputError(f"its graph has the operation {kind} on constants, which no network needs")
    return arguments[0] if kind == "Identity" else None


def check_windows(operation: Any) -> None:
    """Raise InputError for an operation that looks at many pixels at a time."""
    found = attributes(operation)
    names = ("pads", "kernel_shape", "strides", "dilations")
    if any(abs(pixels) > _MAX_WINDOW for name in names for pixels in found.get(name, ())):
        raise InputError(f"its graph has {operation.op_type} over more than {_MAX_WINDOW} pixels")


def constant(operation: Any) -> Constant:
    """Return what an operation of the kind Constant states."""
    from onnx import numpy_helper

    ((kind, value),) = attributes(operation).items()
    if kind == "sparse_value":
        raise InputError("its graph has sparse tensors, which no residual network of ours has")
    array = numpy_helper.to_array(value) if kind == "value" else np.asarray(value)
    return Constant(operation.output[0], array)


def attributes(operation: Any) -> dict[str, Any]:
    """Return the attributes of an operation by name."""
    from onnx import helper

    return {part.name: helper.get_attribute_value(part) for part in operation.attribute}


def need(value: Any, what: str) -> Constant:
    """Return a value that has to be a tensor of numbers; refuse others, naming `what` it is."""
    if not isinstance(value, Constant):
        raise InputError(f"its graph computes {what} instead of storing it")
    if value.array.dtype.kind in "OUSc":
        raise InputError(f"its graph has {what} of the type {value.array.dtype}")
    return value
