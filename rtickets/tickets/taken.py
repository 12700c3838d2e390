"""What a ticket's network takes, as its provenance remembers it."""

from numbers import Integral, Real
from typing import Any

from rtickets.data.arrays import IMAGE, Dataset
from rtickets.data.images.augment import Transform
from rtickets.models.inputs import Input, Inputs, as_inputs
from rtickets.tasks import Task


def inputs_of(meta: Any) -> Inputs:
    """Return what the network that a ticket's provenance describes takes."""
    if "inputs" in meta:
        return tuple(Input(name, tuple(shape), *more) for name, shape, *more in meta["inputs"])
    return as_inputs(tuple(meta["image_shape"]))


def takes(task: Task, transform: Transform, dataset: Dataset) -> dict[str, Any]:
    """Return what a network takes, in the form that provenance remembers it in."""
    inputs = task.input_spec(transform, dataset.train.spec)
    if task.inputs == (IMAGE,):  # as in tickets of before there were others
        return {"image_shape": list(inputs[0].shape)}
    return {"inputs": [stored(each) for each in inputs]}


def stored(each: Input) -> list[Any]:
    """Return an input as JSON has it; the last two only of numbers of things that are named."""
    things = [each.values, each.of] if each.of else []
    return [each.name, list(each.shape), each.dtype, *things]


def alike(own: Inputs, asked: Inputs) -> bool:
    """Return whether a network that takes some inputs can be called with others."""
    return [_kind(each) for each in own] == [_kind(each) for each in asked]


def _kind(each: Input) -> tuple[Any, ...]:
    """Return what has to be the same of what a network takes and is given."""
    things = (each.values, each.of) if each.of else ()
    return (each.name, len(each.shape), each.dtype, *things)


def are_numbers(values: Any, low: float, high: float, kind: Any = Real) -> bool:
    """Return whether these are numbers of a kind between two."""
    return isinstance(values, list | tuple) and all(
        isinstance(one, kind) and not isinstance(one, bool) and low <= float(one) <= high
        for one in values
    )


def are_inputs(values: Any) -> bool:
    """Return whether these are inputs as `takes` writes them."""
    if not isinstance(values, list | tuple) or not values:
        return False
    if not all(isinstance(one, list | tuple) and len(one) in (3, 5) for one in values):
        return False
    return all(
        isinstance(name, str)
        and are_numbers(shape, 0, 2**31, Integral)
        and dtype in ("float32", "int32", "uint8", "bool", "int64", "float64", "int8", "int16")
        and (not more or (type(more[0]) is int and more[0] > 0 and isinstance(more[1], str)))
        for name, shape, dtype, *more in values
    )
