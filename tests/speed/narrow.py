"""3x3 convolutions of few channels on a CPU, as XLA computes them and several columns at once.

    taskset -c 0 python tests/speed/narrow.py

Prints milliseconds of one call, medians of 40: of layers, forward, with the gradient to the images
and with that to the weights too; and of the demo's network, forward and with the former.
"""

import time
from unittest import mock

import jax
import numpy as np
from jax import lax

from rtickets import models
from rtickets.models import narrow

LAYERS = ((28, 1, 8), (28, 3, 8), (28, 8, 8), (14, 8, 8), (16, 4, 4), (28, 3, 16))
BATCH, REPEATS = 32, 40


def median(function, *args):
    jax.block_until_ready(function(*args))
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        jax.block_until_ready(function(*args))
        times.append(time.perf_counter() - started)
    return f"{1000 * np.median(times):.2f}"


def measure(function, x, weights, wanted):
    def loss(x, weights):
        return (function(x, weights) ** 2).sum()

    calls = (function, jax.grad(loss), jax.grad(loss, (0, 1)))[:wanted]
    return [median(jax.jit(call), x, weights) for call in calls]


def layer(size, inputs, features):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(BATCH, size, size, inputs)).astype(np.float32)
    kernel = generator.normal(size=(3, 3, inputs, features)).astype(np.float32)
    options = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}

    def ours(x, kernel):
        return narrow.convolve(x, kernel, (1, 1), "SAME", **options)

    def plain(x, kernel):
        return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", **options)

    return measure(plain, x, kernel, 3), measure(ours, x, kernel, 3)


def network():
    x = np.random.default_rng(0).random((BATCH, 28, 28, 1)).astype(np.float32)
    model = models.build("resnet18", 10, width=0.125, stem="small")
    variables = model.init(jax.random.key(0), x)

    def forward(x, variables):
        return model.apply(variables, x)

    with mock.patch.object(narrow, "_columns", return_value=1):
        plain = measure(lambda *args: forward(*args), x, variables, 2)
    return plain, measure(forward, x, variables, 2)


def main():
    print("| what | XLA | columns at once |")
    print("| --- | --- | --- |")
    for shape in LAYERS:
        plain, ours = layer(*shape)
        print(
            f"| {shape[0]}x{shape[0]}, {shape[1]} to {shape[2]} channels |",
            ", ".join(plain),
            "|",
            ", ".join(ours),
            "|",
        )
    plain, ours = network()
    print("| ResNet-18, width 1/8 |", ", ".join(plain), "|", ", ".join(ours), "|")


if __name__ == "__main__":
    main()
