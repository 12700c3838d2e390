"""Numbers of features of single layers, where they are not those of the published network.

A network that has been made physically smaller has the layers of its architecture, each with as
many features as are left of it. `BackboneAndHead.widths` says how many, by the path of the layer,
such as ('stage1_block1/conv1', 7). Any layer with a field `features` takes them, whoever wrote it,
when the network is called or initialised: so architectures and heads know nothing of it, but that
what decides on layers, such as whether a shortcut is a convolution, goes by the published numbers.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import flax.linen as nn

from rtickets.errors import InputError

Widths = tuple[tuple[str, int], ...]
"""(path of a layer, its number of features), sorted."""


def read_widths(texts: Sequence[str]) -> Widths:
    """Return the numbers that texts such as 'stage1_block1/conv1=7' name.

    Raises:
        InputError: for another text, a number below 1, or a layer that is named twice.
    """
    found: dict[str, int] = {}
    for text in texts:
        layer, _, number = text.rpartition("=")
        if not layer or not number.isdecimal() or int(number) < 1:
            raise InputError(f"widths: {text!r} is none; write LAYER=N, such as stem_conv=7")
        if layer in found:
            raise InputError(f"widths: {layer!r} is named twice; name it once")
        found[layer] = int(number)
    return tuple(sorted(found.items()))


def as_texts(widths: Mapping[str, int]) -> tuple[str, ...]:
    """Return what `read_widths` reads."""
    return tuple(f"{layer}={number}" for layer, number in sorted(widths.items()))


def without_head(texts: Sequence[str], head: str = "head") -> tuple[str, ...]:
    """Return the texts that are not about layers of the head, which another head has not."""
    return tuple(text for text in texts if not text.startswith(f"{head}/"))


@contextmanager
def taken(widths: Widths, *, everywhere: bool = False) -> Iterator[None]:
    """Let the layers that are called inside have these numbers of features.

    Args:
        everywhere: whether all layers are called inside.

    Raises:
        InputError: for a number of a layer that is not there, where all are called.
    """
    if not widths:
        yield
        return
    numbers, met = dict(widths), set()

    def resize(call: Any, args: Any, keywords: Any, context: Any) -> Any:
        layer = context.module
        path = "/".join(layer.path)
        if path in numbers and context.method_name == "__call__" and hasattr(layer, "features"):
            # Layers are frozen; this one is the call's own, and has read nothing yet.
            object.__setattr__(layer, "features", numbers[path])
            met.add(path)
        return call(*args, **keywords)

    with nn.intercept_methods(resize):
        yield
    if everywhere and (others := sorted(numbers.keys() - met)):
        raise InputError(
            f"widths: the network has no layer {others[0]!r} with a number of features; name "
            "layers by their paths among the parameters, such as stage1_block1/conv1"
        )
