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

    Raises:
        InputError: for an operation that no exporter needs for the shapes of activations.
    """
    if kind not in _SHAPE_ARITHMETIC:
        raise InputError(f"its graph has the operation {kind} on constants, which no network needs")
    return arguments[0] if kind == "Identity" else None


def check_windows(operation: Any) -> None:
    """Check that an operation looks at few pixels at a time.

    Raises:
        InputError: if it does not.
    """
    found = attributes(operation)
    names = ("pads", "kernel_shape", "strides", "dilations")
    if any(abs(pixels) > _MAX_WINDOW for name in names for pixels in found.get(name, ())):
        raise InputError(f"its graph has {operation.op_type} over more than {_MAX_WINDOW} pixels")


def constant(operation: Any) -> Constant:
    """Return what an operation of the kind Constant states.

    Raises:
        InputError: for a sparse tensor.
    """
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
    """Return a value that has to be a tensor of the file.

    Raises:
        InputError: if it is not, or holds no numbers, naming what it is for.
    """
    if not isinstance(value, Constant):
        raise InputError(f"its graph computes {what} instead of storing it")
    if value.array.dtype.kind in "OUSc":
        raise InputError(f"its graph has {what} of the type {value.array.dtype}")
    return value
