"""Steps of several tickets as one program against one after the other.

    taskset -c 1 python tests/speed/together.py [--sizes 2 4] [--width 0.125] [--pixels 28]

    python tests/speed/together.py --sizes 6 18 36 --width=1 --pixels=32 --clock=wall   # on a GPU

Finetuning of the demo's network; by turns, medians of the seconds of a step of one: on a CPU the
processor's, which other work on the machine does not change, on an accelerator those of the clock.
"""

import argparse
import statistics
import time

import jax
import numpy as np

from rtickets import masks, models, training
from rtickets.data import labelled
from rtickets.data.images.chosen import make_transform
from rtickets.platform import parallel
from rtickets.settings import config_files
from rtickets.stages.choosing import Sample, time_step
from rtickets.stages.demo import demo_study
from rtickets.training.inputs import FromMemory


def sample_of(width: float, pixels: int, batch: int, objective: str, mode: str) -> Sample:
    demo = demo_study()
    finetune, shape = demo.transfers["finetune"], (pixels, pixels, 1)
    network = config_files.replace(demo.pretrain.model, width=width)
    model = models.from_config(network, 10, mean=(0.3,), std=(0.3,))
    program = training.Program(
        model=model, objective=demo.objectives[objective],
        optimizer=config_files.replace(finetune.train.optimizer, learning_rate=0.0),
        transform=make_transform(finetune.data), batch_size=batch, total_steps=100,
        steps_per_epoch=5, trainable="head" if mode == "linear" else "all", statistics="batch",
        devices=parallel.local_devices(1),
    )  # fmt: skip
    params, stats = models.initialise(model, jax.random.key(0), shape)
    mask = masks.full(params)
    images = np.random.default_rng(0).integers(0, 255, (5 * batch, *shape)).astype(np.uint8)
    split = labelled(images, np.arange(5 * batch, dtype=np.int32) % 10)
    state = training.init_state(program, params, stats, mask)
    return Sample(program, state, mask, FromMemory(program, split, 0), 1, 100)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--pixels", type=int, default=28)
    parser.add_argument("--batch", type=int, default=40)
    parser.add_argument("--objective", default="natural")
    parser.add_argument("--mode", default="finetune")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--clock", choices=["processor", "wall"], default="processor")
    options = parser.parse_args()
    clock = {"processor": time.process_time, "wall": time.perf_counter}[options.clock]
    what = options.width, options.pixels, options.batch, options.objective, options.mode
    sample = sample_of(*what)
    sizes = (1, *options.sizes)
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(options.windows):
        for size in sizes:
            found[size].append(time_step(sample, size, 1, 0.3, clock))
    alone = statistics.median(found[1])
    for size, times in found.items():
        own = statistics.median(times)
        print(
            f"{what}, {size} at once: {own * 1e3:.1f} ms [{min(times) * 1e3:.1f}, "
            f"{max(times) * 1e3:.1f}], {own / alone:.2f} of one after the other",
            flush=True,
        )


if __name__ == "__main__":
    main()
