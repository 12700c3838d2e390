"""Several columns at once, and a batch in parts, against XLA's convolution of 16 and 32 channels.

    taskset -c 1 python tests/speed/columns.py

Milliseconds of the processor, by turns: forward, with the gradient to the images, and with that to
the kernel too. `rtickets.models.narrow` does so up to 8 channels, `tests/speed/narrow.py`.
"""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from rtickets.costs.latency import by_turns
from rtickets.models.narrow import by_columns

LAYERS = [(32, 16), (16, 16), (16, 32), (8, 32)]  # pixels, channels
BATCH = 32


def xla(x, kernel):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)


def in_parts(x, kernel):
    return jnp.concatenate([xla(part, kernel) for part in jnp.split(x, 4)])


WAYS = {
    "XLA": xla, "2 columns": partial(by_columns, columns=2),
    "4 columns": partial(by_columns, columns=4), "batch in 4": in_parts,
}  # fmt: skip


def passes(way):
    def loss(x, kernel):
        return (way(x, kernel) ** 2).sum()

    return {
        "forward": way, "to images": jax.value_and_grad(loss),
        "to both": jax.value_and_grad(loss, (0, 1)),
    }  # fmt: skip


def main():
    generator = np.random.default_rng(0)
    for pixels, channels in LAYERS:
        x = jnp.asarray(generator.standard_normal((BATCH, pixels, pixels, channels), np.float32))
        kernel = jnp.asarray(generator.standard_normal((3, 3, channels, channels), np.float32))
        calls = {
            (name, kind): partial(jax.jit(function), x, kernel)
            for name, way in WAYS.items()
            for kind, function in passes(way).items()
        }
        found = by_turns(calls, 5, time.process_time)
        for name in WAYS:
            times = ", ".join(f"{1e3 * found[name, kind]:.2f}" for kind in passes(xla))
            print(f"{pixels}x{pixels}, {channels} channels, {name}: {times}", flush=True)


if __name__ == "__main__":
    main()
