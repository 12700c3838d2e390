"""How cost grows with the attack's steps, batch, tickets, devices and weights, beside a model.

    taskset -c 1 python tests/speed/growth.py --kept=growth.json --out=docs/growth.png

A natural step is a forward pass and a backward pass of twice its cost; a step of PGD is a forward
and a backward pass to the images alone, of once its cost. So a step with K of them is (2K + 3) / 3
natural ones. The batch, tickets at once and weights to draw from should cost in proportion;
simulated devices that share a core and a batch should cost nothing. Seconds are the processor's,
of one core, which other work changes less than the clock. What was measured stays in a file, so
that `--only=tickets` or more places add to it.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import jax
import matplotlib
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from draw_memory import network
from together import sample_of

from rtickets import draw_omp
from rtickets.config import AttackConfig, ModelConfig, ObjectiveConfig
from rtickets.costs.bench import rate_of_steps
from rtickets.platform import parallel
from rtickets.stages.choosing import time_step
from rtickets.training.objectives import Adversarial

matplotlib.use("Agg")

PARTS = ("batches", "steps", "tickets", "devices", "weights")


def step_seconds(attack_steps, batch, options, count=1):
    """Return the processor's seconds of a step on devices; natural where there is no attack."""
    objective = ObjectiveConfig()
    if attack_steps:
        objective = Adversarial(attack=AttackConfig(num_steps=attack_steps))
    model, devices = ModelConfig(width=options.width), parallel.local_devices(count)
    rate = rate_of_steps(
        model, options.pixels, batch, objective, devices, options.seconds, time.process_time
    )
    return batch / rate


def ticket_seconds(count, options):
    """Return the processor's seconds of a natural step of so many tickets as one program."""
    batch = min(options.batches)
    sample = sample_of(options.width, options.pixels, batch, "natural", "finetune")
    return count * time_step(sample, count, 1, options.seconds / 4, time.process_time)


def draw_seconds(count):
    params = network(count, "float32")
    start = time.process_time()
    draw_omp(params, 0.9)
    return time.process_time() - start


def line(measured):
    """Return (a, b) of a + b x, the line nearest to what was measured in proportion."""
    places, values = (np.array(each, float) for each in (list(measured), list(measured.values())))
    design = np.stack([np.ones_like(places), places], -1) / values[:, None]
    return np.linalg.lstsq(design, np.ones_like(values), rcond=None)[0]


def say(name, measured, model, unit):
    """Print what was measured, its share of the model, and the line that fits it."""
    for place, value in measured.items():
        share = value / model(place)
        print(f"{name} {place:g}: {value:.4g} {unit}, {share:.2f} of the model")
    if len(measured) > 1:
        constant, slope = line(measured)
        print(f"{name}, fitted: {constant:.3g} + {slope:.3g} x {unit}")
    sys.stdout.flush()


def measure(options, kept):
    """Measure what is asked and not kept yet: milliseconds of steps, seconds of drawing."""
    middle = options.batches[len(options.batches) // 2]
    parts = {
        "batches": lambda size: 1e3 * step_seconds(0, size, options),
        "steps": lambda count: 1e3 * step_seconds(count, middle, options),
        "tickets": lambda count: 1e3 * ticket_seconds(count, options),
        "devices": lambda count: 1e3 * step_seconds(0, middle, options, count),
        "weights": lambda count: draw_seconds(int(count)),
    }
    for name in options.only:
        for place in getattr(options, name):
            found = kept.setdefault(name, {})
            if f"{place:g}" not in found:
                found[f"{place:g}"] = parts[name](place)
                if options.kept is not None:
                    options.kept.write_text(json.dumps(kept, indent=1))


def panels_of(kept, middle):
    """Return for every panel its name, what was measured, the unit, the model and its words."""
    found = {
        name: {
            float(place): value for place, value in sorted(each.items(), key=lambda e: float(e[0]))
        }
        for name, each in kept.items()
    }
    batches, tickets, devices, drawn = (
        found.get(name, {}) for name in ("batches", "tickets", "devices", "weights")
    )
    natural = batches.get(middle, 1.0)
    steps = {0.0: 1.0, **{k: ms / natural for k, ms in found.get("steps", {}).items()}}
    largest = max(drawn, default=1)
    panels = [
        ("batch", batches, "ms of a natural step", lambda b: natural * b / middle, "in proportion"),
        ("steps of PGD", steps, "natural steps", lambda k: (2 * k + 3) / 3, "(2K + 3) / 3"),
        ("tickets at once", tickets, "ms of a step of all", lambda n: n * tickets[1],
         "in proportion"),
        ("simulated devices", devices, "ms of a natural step", lambda _: devices[1], "the same"),
        ("weights", drawn, "s of drawing", lambda n: drawn[largest] * n / largest,
         "in proportion"),
    ]  # fmt: skip
    return [panel for panel in panels if len(panel[1]) > 1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 3, 5, 7])
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    parser.add_argument("--tickets", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--weights", type=float, nargs="+", default=[1e5, 1e6, 1e7, 1e8, 1e9])
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--kept", type=Path, help="what was measured, as JSON")
    parser.add_argument("--out", type=Path, help="the picture")
    options = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", max(options.devices))
    kept = {}
    if options.kept is not None and options.kept.exists():
        kept = json.loads(options.kept.read_text())
    measure(options, kept)
    panels = panels_of(kept, options.batches[len(options.batches) // 2])
    for name, measured, unit, model, _ in panels:
        say(name, measured, model, unit)
    if options.out is not None:
        plot(options.out, panels)


def plot(path, panels):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(panels), squeeze=False, figsize=(17, 3.2), layout="constrained"
    )
    for axis, (name, measured, unit, model, words) in zip(axes[0], panels, strict=True):
        places = np.array(sorted(measured))
        constant, slope = line(measured)
        axis.plot(places, [model(place) for place in places], "--", color="0.5", label=words)
        axis.plot(places, constant + slope * places, ":", color="C0",
                  label=f"{constant:.2g} + {slope:.2g} x")  # fmt: skip
        axis.plot(places, [measured[place] for place in places], "o", color="C0", label="measured")
        axis.set(xlabel=name, ylabel=unit)
        if name in ("batch", "weights"):
            axis.set(xscale="log", yscale="log")
        else:
            axis.set(ylim=(0, None), xticks=places)
        axis.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
