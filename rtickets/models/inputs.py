"""What a network takes, of one example: arrays by name, the first that which an attack may change.

A network of one array is called with it, `model(x, train)`; one of several is called with a
dictionary of them by name.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Input(NamedTuple):
    """An array of an example.

    Attributes:
        name: what batches call it.
        shape: of one example.
        dtype: as the network takes it.
        values: of numbers of things, such as tokens, how many things there are; 0 of others.
        of: what the things are, such as a vocabulary; networks read no others. Where it is '', a
            network reads as many or fewer.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    values: int = 0
    of: str = ""

    def __str__(self) -> str:
        """Return it as a person reads it."""
        things = f" of {self.values} {self.of}" if self.of else ""
        return f"{self.name} {self.shape} {self.dtype}{things}"


Inputs = tuple[Input, ...]
ImageShape = tuple[int, int, int]


def as_inputs(shape: Inputs | tuple[int, ...]) -> Inputs:
    """Return what a network takes of images of a shape (H, W, C); other inputs as they are."""
    own = tuple(each for each in shape if isinstance(each, Input))
    return own or (
        Input("image", tuple(int(each) for each in shape if not isinstance(each, Input))),
    )


def placeholders(
    inputs: Inputs, count: int, make: Callable[..., Any] = jax.ShapeDtypeStruct
) -> Any:
    """Return what a network is called with, `make(shape, dtype)` in the place of the arrays.

    Args:
        inputs: what it takes, see `as_inputs`.
        count: number of examples.
        make: of every array.
    """
    made = {each.name: make((count, *each.shape), each.dtype) for each in inputs}
    return made if len(made) > 1 else made[inputs[0].name]
