"""Time and memory of drawing a ticket by global magnitude, weight by weight, up to 1e9 weights.

python tests/speed/draw_memory.py 1e9 --dtype=bfloat16
"""

import argparse
import threading
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from rtickets import draw_omp

_PAGE = 4096


def resident() -> int:
    """Return the memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def network(count: int, dtype: str) -> dict[str, dict[str, np.ndarray]]:
    """Return about so many normal weights in layers of 3x3 times 1024 inputs and outputs."""
    generator, layers = np.random.default_rng(0), max(round(count / (9 << 20)), 1)
    params = {}
    for number in range(layers):
        kernel = np.empty((3, 3, count // layers // (9 << 10), 1024), jnp.dtype(dtype))
        for place in np.ndindex(3, 3):
            kernel[place] = generator.standard_normal(kernel.shape[2:], np.float32)
        params[f"layer{number}"] = {"kernel": kernel}
    return params


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=float)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--sparsity", type=float, default=0.9)
    options = parser.parse_args()
    params = network(int(options.weights), options.dtype)
    count = sum(layer["kernel"].size for layer in params.values())
    before, most, done = resident(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            most[0] = max(most[0], resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    wall, cpu = time.perf_counter(), time.process_time()
    draw_omp(params, options.sparsity, say=print)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done.set()
    watcher.join()
    print(
        f"{count:,} weights of {options.dtype}: {cpu:.1f} s of CPU, {wall:.1f} s by the clock, "
        f"{(most[0] - before) / count:.1f} bytes a weight beyond the weights"
    )


if __name__ == "__main__":
    main()
