"""Convolutions of XLA and of oneDNN on a CPU, alone and in steps of a network, by turns.

    pip install -e '.[onednn]'
    taskset -c 1 python tests/speed/onednn.py

Seconds are the processor's, of one core, which other work changes less than the clock. 'XLA' is
what networks compute without the extra: a few columns at once where there are few channels
(`rtickets.models.narrow`).
"""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import overhead

from rtickets import models
from rtickets.costs.latency import by_turns
from rtickets.models.narrow import convolve
from rtickets.platform import parallel

KINDS = {"XLA": "0", "oneDNN": "1"}
LAYOUT = ("NHWC", "HWIO", "NHWC")


def measured(calls, turns):
    """Return the processor's seconds of each, called first under the setting of its kind."""
    for name, call in calls.items():
        os.environ["RTICKETS_ONEDNN"] = KINDS[name[-1]]
        jax.block_until_ready(call())
    return by_turns(calls, turns, time.process_time)


def single(size, channels, batch, turns):
    """Print what a 3x3 convolution takes, and both of its gradients."""
    draw = np.random.default_rng(0).standard_normal
    x, y = (jnp.asarray(draw((batch, size, size, channels)), jnp.float32) for _ in "xy")
    kernel = jnp.asarray(draw((3, 3, channels, channels)), jnp.float32)

    def forward(x, kernel):
        return convolve(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)

    passes = {  # functions of their own every time, so that they are compiled every time
        "forward": lambda: lambda x, k, y: forward(x, k),
        "to images": lambda: lambda x, k, y: jax.vjp(lambda x: forward(x, k), x)[1](y),
        "to kernels": lambda: lambda x, k, y: jax.vjp(lambda k: forward(x, k), k)[1](y),
    }
    calls = {
        (name, kind): partial(jax.jit(make()), x, kernel, y)
        for name, make in passes.items() for kind in KINDS
    }  # fmt: skip
    found = measured(calls, turns)
    work = 2 * 9 * x.size * channels / 1e9
    rates = [" / ".join(f"{work / found[name, kind]:.0f}" for kind in KINDS) for name in passes]
    both = [found["forward", kind] + found["to images", kind] for kind in KINDS]
    every = [sum(found[name, kind] for name in passes) for kind in KINDS]
    gains = f"{both[0] / both[1]:.2f} | {every[0] / every[1]:.2f}"
    print(f"| {size}x{size}, {channels} | {' | '.join(rates)} | {gains} |", flush=True)


def steps(width, batch, turns):
    """Print what a gradient to the images and a natural step of ResNet-18 take."""
    model = models.build(
        "resnet18", 10, width=width, stem="small", mean=(0.5,) * 3, std=(0.25,) * 3
    )
    shape, device = (32, 32, 3), parallel.local_devices(1)
    params, stats = models.initialise(model, jax.random.key(0), shape)
    images = np.random.default_rng(0).integers(0, 256, (batch, *shape), np.uint8)
    options = argparse.Namespace(batch=batch, objective="natural", steps=0)
    data = model, params, stats, images, np.arange(batch, dtype=np.int32) % 10
    makers = {
        "gradient to the images": lambda: overhead.input_gradient(*data, device),
        "natural step": lambda: overhead.bare(options, *data, device[0]),
    }
    calls = {(name, kind): make() for name, make in makers.items() for kind in KINDS}
    found = measured(calls, turns)
    for name in makers:
        before, after = (1e3 * found[name, kind] for kind in KINDS)
        print(f"| {name}, width {width:g} | {before:.1f} | {after:.1f} | {before / after:.2f} |")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--channels", type=int, nargs="*", default=[8, 16, 32, 64, 128])
    parser.add_argument("--widths", type=float, nargs="*", default=[0.125, 0.25, 1.0])
    options = parser.parse_args()
    print("| places, channels | forward | to images | to kernels | first two | all |")
    for channels in options.channels:
        for size in (32, 16):
            single(size, channels, options.batch, options.turns)
    print("| | XLA, ms | oneDNN, ms | gain |")
    for width in options.widths:
        steps(width, options.batch if width < 1 else options.batch // 2, options.turns)


if __name__ == "__main__":
    main()
