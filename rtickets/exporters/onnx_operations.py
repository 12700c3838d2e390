"""The operations of XLA in ONNX."""

from collections.abc import Callable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np

from rtickets.errors import InputError

Operation = Callable[[Any, Any, Sequence[Any]], Any]
"""(graph, equation, operands) -> node, see `rtickets.exporters.onnx_graph`."""


def _made(equation: Any, operand: Any, name: str, spread: bool = True) -> Any:
    return operand._replace(
        name=name, shape=tuple(equation.outvars[0].aval.shape), constant=None, spread=spread
    )


def _entrywise(operation: str) -> Operation:
    def add(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
        name = graph.add(operation, [graph.name_of(each) for each in operands])
        return _made(equation, operands[0], name, any(_is_whole(o, equation) for o in operands))

    return add


def _is_whole(operand: Any, equation: Any) -> bool:
    shape = equation.outvars[0].aval.shape
    return bool(operand.spread and len(operand.shape) == len(shape)) and all(
        own is size or own == size for own, size in zip(operand.shape, shape, strict=True)
    )


def _rsqrt(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    root = graph.add("Sqrt", [graph.name_of(operands[0])])
    return _made(equation, operands[0], graph.add("Reciprocal", [root]), operands[0].spread)


def _square(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    name = graph.name_of(operands[0])
    return _made(equation, operands[0], graph.add("Mul", [name, name]), operands[0].spread)


def _integer_pow(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    power = graph.constant(np.float32(equation.params["y"]))
    name = graph.add("Pow", [graph.name_of(operands[0]), power])
    return _made(equation, operands[0], name, operands[0].spread)


def _select(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    if len(operands) > 3 or equation.invars[0].aval.dtype != bool:
        raise InputError(
            "a choice by a number has no counterpart in ONNX here; choose by true and false, or "
            "take another format"
        )
    which, one, other = operands
    name = graph.add("Where", [graph.name_of(each) for each in (which, other, one)])
    return _made(equation, one, name, any(_is_whole(o, equation) for o in operands))


def _differs(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    same = graph.add("Equal", [graph.name_of(each) for each in operands])
    whole = any(_is_whole(o, equation) for o in operands)
    return _made(equation, operands[0], graph.add("Not", [same]), whole)


def _cast(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(equation.params["new_dtype"]))
    name = graph.add("Cast", [graph.name_of(operands[0])], to=kind)
    return _made(equation, operands[0], name, operands[0].spread)


def _broadcast(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    (operand,) = operands
    shape = equation.outvars[0].aval.shape
    sizes = [1] * len(shape)
    own = operand.shape if operand.spread or operand.constant is not None else None
    if own is None:
        operand = graph.whole(operand)
        own = operand.shape
    for source, target in enumerate(equation.params["broadcast_dimensions"]):
        sizes[target] = own[source]
    whole = all(a is b or a == b for a, b in zip(sizes, shape, strict=True))
    if operand.constant is not None:
        value = operand.constant.reshape([int(size) for size in sizes])
        return operand._replace(name="", shape=tuple(shape), constant=value, spread=whole)._replace(
            name=graph.constant(value), constant=None
        )
    return _made(equation, operand, _reshaped(graph, operand, sizes), whole)


def _reshaped(graph: Any, operand: Any, sizes: Sequence[Any]) -> str:
    known = [size if isinstance(size, int) else -1 for size in sizes]
    return str(
        graph.add("Reshape", [graph.name_of(operand), graph.constant(np.array(known, np.int64))])
    )


def _reshape(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    operand = graph.whole(operands[0])
    return _made(equation, operand, _reshaped(graph, operand, equation.outvars[0].aval.shape))


def _transpose(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    order = list(equation.params["permutation"])
    name = graph.add("Transpose", [graph.name_of(operands[0])], perm=order)
    return _made(equation, operands[0], name, operands[0].spread)


def _slice(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    operand, params = graph.whole(operands[0]), equation.params
    steps = params["strides"] or (1,) * len(operand.shape)
    if any(
        not isinstance(stop, int) and (start != 0 or step != 1 or stop != size)
        for start, stop, step, size in zip(
            params["start_indices"], params["limit_indices"], steps, operand.shape, strict=True
        )
    ):
        raise InputError("a part of the examples has no counterpart in ONNX here; take all of them")
    cut = [
        (axis, start, stop, step)
        for axis, (start, stop, step) in enumerate(
            zip(params["start_indices"], params["limit_indices"], steps, strict=True)
        )
        if isinstance(stop, int) and (start, stop, step) != (0, operand.shape[axis], 1)
    ]
    axes, starts, stops, steps = zip(*cut, strict=True) if cut else ((),) * 4
    arrays = [graph.constant(np.array(each, np.int64)) for each in (starts, stops, axes, steps)]
    return _made(equation, operand, graph.add("Slice", [graph.name_of(operand), *arrays]))


def _rev(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    operand, axes = graph.whole(operands[0]), equation.params["dimensions"]
    starts, stops, steps = (
        np.full(len(axes), value, np.int64) for value in (-1, np.iinfo(np.int64).min, -1)
    )
    arrays = [graph.constant(each) for each in (starts, stops, np.array(axes, np.int64), steps)]
    return _made(equation, operand, graph.add("Slice", [graph.name_of(operand), *arrays]))


def _pad(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    operand, value = graph.whole(operands[0]), operands[1]
    sizes = equation.params["padding_config"]
    if any(low < 0 or high < 0 or inner for low, high, inner in sizes):
        raise InputError("padding inside or by less than nothing has no counterpart in ONNX here")
    pads = [int(low) for low, _, _ in sizes] + [int(high) for _, high, _ in sizes]
    arrays = [graph.constant(np.array(pads, np.int64)), graph.name_of(value)]
    return _made(equation, operand, graph.add("Pad", [graph.name_of(operand), *arrays]))


def _concatenate(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    names = [graph.name_of(graph.whole(each)) for each in operands]
    axis = int(equation.params["dimension"])
    return _made(equation, operands[0], graph.add("Concat", names, axis=axis))


def _stack(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    axis = int(equation.params["axis"])
    where = graph.constant(np.array([axis], np.int64))
    names = [graph.name_of(graph.whole(each)) for each in operands]
    parts = [graph.add("Unsqueeze", [name, where]) for name in names]
    return _made(equation, operands[0], graph.add("Concat", parts, axis=axis))


def _reduce(operation: str) -> Operation:
    def add(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
        operand = graph.whole(operands[0])
        if not equation.params["axes"]:  # to ONNX these are all of them
            return operand
        axes = graph.constant(np.array(equation.params["axes"], np.int64))
        name = graph.add(operation, [graph.name_of(operand), axes], keepdims=0)
        return _made(equation, operand, name)

    return add


def _convolve(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    image, kernel = (graph.whole(each) for each in operands)
    params, names = equation.params, equation.params["dimension_numbers"]
    if set(params["lhs_dilation"]) != {1} or params["batch_group_count"] != 1:
        raise InputError("transposed convolutions have no counterpart in ONNX here")
    entering = graph.add("Transpose", [graph.name_of(image)], perm=list(names.lhs_spec))
    if kernel.constant is not None:
        weights = graph.constant(kernel.constant.transpose(names.rhs_spec))
    else:
        weights = graph.add("Transpose", [kernel.name], perm=list(names.rhs_spec))
    before, after = zip(*params["padding"], strict=True)
    if min(*before, *after) < 0:
        raise InputError("padding by less than nothing has no counterpart in ONNX here")
    found = graph.add(
        "Conv", [entering, weights], group=int(params["feature_group_count"]),
        strides=[*map(int, params["window_strides"])], pads=[*map(int, (*before, *after))],
        dilations=[*map(int, params["rhs_dilation"])],
    )  # fmt: skip
    back = np.argsort(names.out_spec).tolist()
    return _made(equation, image, graph.add("Transpose", [found], perm=back))


def _max_window(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    image, params = graph.whole(operands[0]), equation.params
    sizes, steps, pads = (params[k] for k in ("window_dimensions", "window_strides", "padding"))
    if len(sizes) != 4 or (sizes[0], sizes[3]) != (1, 1) or {*params["base_dilation"]} != {1}:
        raise InputError("windows of other axes than height and width have no counterpart here")
    before, after = zip(*pads[1:3], strict=True)
    entering = graph.add("Transpose", [graph.name_of(image)], perm=[0, 3, 1, 2])
    found = graph.add(
        "MaxPool", [entering], kernel_shape=[*map(int, sizes[1:3])],
        strides=[*map(int, steps[1:3])], pads=[*map(int, (*before, *after))],
        dilations=[*map(int, params["window_dilation"][1:3])],
    )  # fmt: skip
    return _made(equation, image, graph.add("Transpose", [found], perm=[0, 2, 3, 1]))


def _dot(graph: Any, equation: Any, operands: Sequence[Any]) -> Any:
    one, other = (graph.whole(each) for each in operands)
    contracted, batched = equation.params["dimension_numbers"]
    letters = iter(ascii_lowercase)
    left = [next(letters) for _ in one.shape]
    right = [next(letters) for _ in other.shape]
    for i, j in (*zip(*contracted, strict=True), *zip(*batched, strict=True)):
        right[j] = left[i]
    shared = [left[i] for i in batched[0]]
    gone = {left[i] for i in contracted[0]}
    rest = [x for x in (*left, *right) if x not in gone and x not in shared]
    text = f"{''.join(left)},{''.join(right)}->{''.join((*shared, *rest))}"
    names = [graph.name_of(one), graph.name_of(other)]
    plain = contracted == ((len(left) - 1,), (0,)) and len(right) == 2 and not batched[0]
    if plain:
        return _made(equation, one, graph.add("MatMul", names))
    return _made(equation, one, graph.add("Einsum", names, equation=text))


_SAME = {
    "abs": "Abs", "add": "Add", "add_any": "Add", "and": "And", "ceil": "Ceil", "cos": "Cos",
    "div": "Div", "eq": "Equal", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "log": "Log",
    "logistic": "Sigmoid", "lt": "Less", "max": "Max", "min": "Min", "mul": "Mul", "neg": "Neg",
    "not": "Not", "or": "Or", "pow": "Pow", "sign": "Sign", "sin": "Sin", "sqrt": "Sqrt",
    "sub": "Sub", "tanh": "Tanh",
}  # fmt: skip
OPERATIONS: Mapping[str, Operation] = {
    **{name: _entrywise(operation) for name, operation in _SAME.items()},
    "ne": _differs, "rsqrt": _rsqrt,
    "square": _square, "integer_pow": _integer_pow, "select_n": _select,
    "convert_element_type": _cast, "broadcast_in_dim": _broadcast, "reshape": _reshape,
    "squeeze": _reshape, "transpose": _transpose, "slice": _slice, "rev": _rev, "pad": _pad,
    "concatenate": _concatenate, "stack": _stack, "reduce_sum": _reduce("ReduceSum"),
    "reduce_max": _reduce("ReduceMax"), "reduce_min": _reduce("ReduceMin"),
    "conv_general_dilated": _convolve, "reduce_window_max": _max_window, "dot_general": _dot,
}  # fmt: skip
