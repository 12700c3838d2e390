"""What a corruption is: one change of a picture, in five strengths, without a label in sight.

A corruption is two pure functions of one example, put over a batch by `vmap`:

    drawn = draws(key, shape, constant)         everything random, from the example's own key
    picture = apply(image, constant, drawn)     the rest: no randomness, no state

`image` is float32 (H, W, C) in [0, 1], grey or colour, and so is what `apply` returns. `constant`
is what a severity stands for; it is static, as the shape is. What comes out for an example depends
on its own key and pixels alone, not on its batch or its place in it.

A **table** says which five constants the severities 1 to 5 have:

- `imagenet`: those of the package `imagecorruptions` 1.1.2, made for pictures of 224 pixels and
  more. They are those of ImageNet-C but for the elastic transform, which scales with the picture
  and does not shear it. Pictures are the package's, given the same draws;
  docs/corruptions.md has tolerances.
- `cifar`: those of CIFAR-10-C, in the same algorithms. Motion blur and the blur in snow are the
  package's there too, where CIFAR-10-C had ImageMagick's.

On grey pictures a corruption does what the package does to three equal channels, noise being drawn
for one; frost takes the grey of its texture, as the package's branch for grey does.

Source: Hendrycks and Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations, ICLR 2019.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jax import Array

Table = Literal["imagenet", "cifar"]
TABLES: tuple[Table, ...] = ("imagenet", "cifar")
SEVERITIES = (1, 2, 3, 4, 5)
Shape = tuple[int, int, int]


def nothing(key: Array, shape: Shape, constant: Any) -> tuple[()]:
    """Draw nothing, for what is not random."""
    del key, shape, constant
    return ()


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        group: 'noise', 'blur', 'weather' or 'digital'.
        constants: for each table the constants of severities 1 to 5.
        apply: (image, constant, drawn) to the corrupted image; arrays of `files` come last.
        draws: (key, shape, constant) to what `apply` takes as `drawn`, a pytree of arrays.
        files: (shape, constant) to arrays read from disk that all examples share, or None.
    """

    group: Literal["noise", "blur", "weather", "digital"]
    constants: Mapping[Table, tuple[Any, ...]]
    apply: Callable[..., Array]
    draws: Callable[[Array, Shape, Any], Any] = nothing
    files: Callable[[Shape, Any], Any] | None = None
