"""Time and memory of a training step of the same network, asked one thing or another.

    python tests/speed/tasks.py --size=64 --stem=small --width=0.25 --batch=16
    python tests/speed/tasks.py --size=512 --stem=imagenet --batch=2 --turns=3

Classification, segmentation and detection, each with the head of its published size or with
`--channels` features. Seconds of processor time a step, by turns, medians; on accelerators use
--clock. Memory is what the compiled program says that it needs besides its arguments.
"""

import argparse
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np

from rtickets import masks, models, training
from rtickets.config import ObjectiveConfig, OptimizerConfig
from rtickets.data.images.augment import Transform
from rtickets.platform import parallel
from rtickets.tasks import Classification, Detection, Segmentation

CLASSES = 20


def examples(count, size):
    generator = np.random.default_rng(0)
    corners = np.sort(generator.uniform(0, size, (count, 8, 2, 2)), 2).astype(np.float32)
    return {
        "image": generator.integers(0, 256, (count, size, size, 3)).astype(np.uint8),
        "label": generator.integers(0, CLASSES, count).astype(np.int32),
        "mask": generator.integers(0, CLASSES, (count, size, size)).astype(np.uint8),
        "boxes": corners.reshape(count, 8, 4),
        "classes": generator.integers(0, CLASSES, (count, 8)).astype(np.int32),
    }


def ready(task, options, data):
    """Return a step of a task as (function, arguments), and the bytes that it needs."""
    devices = parallel.local_devices(1, "shard_map")
    width = task.width({"class_names": [str(number) for number in range(CLASSES)]})
    model = models.build(
        options.arch, width, width=options.width, stem=options.stem, mean=(0.5,) * 3,
        std=(0.25,) * 3, make_head=task.head, output_stride=task.backbone_stride,
    )  # fmt: skip
    program = training.Program(
        model=model, objective=ObjectiveConfig(), optimizer=OptimizerConfig(),
        transform=Transform(flip=True), batch_size=options.batch, total_steps=1000,
        steps_per_epoch=100, trainable="all", statistics="batch", devices=devices, task=task,
    )  # fmt: skip
    params, stats = models.initialise(model, jax.random.key(0), (options.size, options.size, 3))
    mask = masks.full(params)
    run = training.RunData(jax.random.key(1), jnp.float32(0.001))
    arguments = [training.init_state(program, params, stats, mask), mask, run, data]
    arguments = [*parallel.replicate(arguments, devices), np.arange(options.batch)[None, None]]
    step = training.compiled(program).lower(*arguments).compile()
    return step, arguments, step.memory_analysis().temp_size_in_bytes


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--stem", default="small")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--clock", action="store_true")
    options = parser.parse_args()
    clock = time.perf_counter if options.clock else time.process_time
    data = examples(options.batch, options.size)
    stride = {"small": 8, "imagenet": 16}[options.stem]
    coarser = {"small": 0, "imagenet": 2}[options.stem]
    tasks = {
        "classification": Classification(),
        "segmentation": Segmentation(output_stride=stride, channels=options.channels),
        "detection": Detection(channels=options.channels, coarser=coarser),
    }
    made = {name: ready(task, options, data) for name, task in tasks.items()}
    seconds = {name: [] for name in made}
    for _ in range(options.turns + 1):
        for name, (step, arguments, memory) in made.items():
            start = clock()
            state, totals = step(*arguments)
            jax.block_until_ready((state, totals))
            seconds[name].append(clock() - start)
            made[name] = step, [state, *arguments[1:]], memory
    first = None
    for name, (_, _, memory) in made.items():
        took = statistics.median(seconds[name][1:])
        first = first or (took, memory)
        print(
            f"{name:14} {took:8.3f} s ({took / first[0]:.2f}x), {memory / 2**20:8.0f} MiB "
            f"({memory / first[1]:.2f}x)"
        )


if __name__ == "__main__":
    main()
