"""Time to corrupt an image, beside a forward pass of a network over it.

pip install --no-deps imagecorruptions==1.1.2
python tests/speed/corruptions.py 32 cifar resnet18
python tests/speed/corruptions.py 224 imagenet resnet50

Severity 5, in seconds of processor time on CPU, which other programs disturb less than the clock;
both by turns, medians. On accelerators use --clock.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import jax

from rtickets import models
from rtickets.data.images.corruptions import CORRUPTIONS, TABLES, corrupt, read_files


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("size", type=int)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--clock", action="store_true")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock else time.process_time
    shape = (options.size, options.size, 3)
    images = jax.random.uniform(jax.random.key(0), (options.batch, *shape))
    keys = jax.random.split(jax.random.key(1), options.batch)
    stem = "small" if options.size < 64 else "imagenet"
    model = models.build(options.network, 10, stem=stem)
    params, batch_stats = models.initialise(model, jax.random.key(2), shape)
    network = jax.jit(lambda x: models.logits(model, params, batch_stats, x))

    def seconds(function: Callable[[], jax.Array]) -> float:
        start = clock()
        function().block_until_ready()
        return clock() - start

    for name in CORRUPTIONS:
        files = jax.device_put(read_files(name, 5, options.table, shape))

        def picture(name: str = name, files: tuple[jax.Array, ...] = files) -> jax.Array:
            return corrupt(images, keys, name, 5, options.table, files)

        runs = [picture, lambda: network(images)]
        for run in runs:
            run().block_until_ready()
        times = [[seconds(run) for run in runs] for _ in range(options.turns)]
        ours, forward = (statistics.median(each) for each in zip(*times, strict=True))
        each = 1000 * ours / options.batch
        print(f"| {name} | {each:.2f} ms | {ours / forward:.2f} |", flush=True)


if __name__ == "__main__":
    main()
