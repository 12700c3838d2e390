"""How cost grows with the attack's steps, the batch and the weights to draw from, beside a model.

    taskset -c 1 python tests/speed/growth.py --out=docs/growth.png

A natural step is a forward pass and a backward pass of twice its cost; a step of PGD is a forward
and a backward pass to the images alone, of once its cost. So a step with K of them is (2K + 3) / 3
natural ones. Seconds are the processor's, of one core, which other work changes less than the
clock.
"""

import argparse
import time
from pathlib import Path

import matplotlib
import numpy as np

from rtickets import draw_omp
from rtickets.config import AttackConfig, ModelConfig, ObjectiveConfig
from rtickets.costs.bench import rate_of_steps
from rtickets.platform import parallel
from rtickets.training.objectives import Adversarial

matplotlib.use("Agg")


def step_seconds(attack_steps, batch, options):
    """Return the processor's seconds of a training step; natural where there is no attack."""
    objective = ObjectiveConfig()
    if attack_steps:
        objective = Adversarial(attack=AttackConfig(num_steps=attack_steps))
    model, devices = ModelConfig(width=options.width), parallel.local_devices(1)
    rate = rate_of_steps(
        model, options.pixels, batch, objective, devices, options.seconds, time.process_time
    )
    return batch / rate


def draw_seconds(count):
    generator = np.random.default_rng(0)
    params = {
        str(number): {"kernel": generator.standard_normal((10, count // 100), np.float32)}
        for number in range(10)
    }
    start = time.process_time()
    draw_omp(params, 0.9)
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 3, 5, 7])
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--weights", type=float, nargs="+", default=[1e5, 1e6, 1e7, 1e8])
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    middle = options.batches[len(options.batches) // 2]
    batches = {size: step_seconds(0, size, options) for size in options.batches}
    natural = batches[middle]
    for size, seconds in batches.items():
        linear = natural * size / middle
        print(f"natural, batch {size}: {1e3 * seconds:.1f} ms, {seconds / linear:.2f} of the model")
    attacked = {}
    for count in options.steps:
        attacked[count] = step_seconds(count, middle, options)
        ratio, model = attacked[count] / natural, (2 * count + 3) / 3
        print(
            f"PGD-{count}: {ratio:.2f} natural steps, {ratio / model:.2f} of the model", flush=True
        )
    counts = np.array(list(attacked))
    extra = np.array([seconds / natural - 1 for seconds in attacked.values()])
    fitted = (counts * extra).sum() / (counts**2).sum()
    print(f"fitted: a step of PGD is {fitted:.2f} natural steps, where the model has 2/3")
    drawn = {count: draw_seconds(int(count)) for count in options.weights}
    for count, seconds in drawn.items():
        print(f"drawing from {count:.0e} weights: {1e9 * seconds / count:.1f} ns a weight")
    if options.out is not None:
        plot(options.out, batches, attacked, drawn, middle)


def plot(path, batches, attacked, drawn, middle):
    import matplotlib.pyplot as plt

    natural = batches[middle]
    attacked, largest = {0: natural, **attacked}, max(drawn)
    panels = [
        ("steps of PGD", {k: s / natural for k, s in attacked.items()}, "natural steps",
         lambda k: (2 * k + 3) / 3, "(2K + 3) / 3"),
        ("batch", {b: 1e3 * s for b, s in batches.items()}, "ms of a natural step",
         lambda b: 1e3 * natural * b / middle, "in proportion"),
        ("weights", drawn, "s of drawing", lambda n: drawn[largest] * n / largest, "in proportion"),
    ]  # fmt: skip
    figure, axes = plt.subplots(1, len(panels), figsize=(12, 3.4), layout="constrained")
    for axis, (name, measured, unit, model, words) in zip(axes, panels, strict=True):
        places = np.array(sorted(measured))
        axis.plot(places, [model(place) for place in places], "--", color="0.5", label=words)
        axis.plot(places, [measured[place] for place in places], "o", label="measured")
        axis.set(xlabel=name, ylabel=unit)
        axis.legend(frameon=False)
        if name != "steps of PGD":
            axis.set(xscale="log", yscale="log")
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
