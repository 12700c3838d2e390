"""Our training step beside PyTorch's on the same shapes, in windows by turns.

    pip install -e '.[parity]'
    python tests/speed/beside_torch.py pgd --width=0.125
    python tests/speed/beside_torch.py evaluate natural pgd --width=1 --batch=32 --count=1
    python tests/speed/beside_torch.py pgd --batch=512 --size=32 --channels=3 --width=1 \
        --precision=bfloat16 --devices=1                                             # on a GPU

'natural' and 'pgd' are steps of training, 'evaluate' is a gradient to the images. Ours is the step
that every trainer runs, with its mask, crops, keys and totals (`overhead.py`), 'bare' the same
network in a jitted step by hand, 'ours-onednn' and 'bare-onednn' the same with convolutions by
oneDNN, and the others PyTorch: eager or compiled, channels outermost or innermost ('-last'). Every
variant is a process that waits for its turn. Prints a table: images per second, median and range of
the windows, the ratio to PyTorch's best variant as the median of neighbouring windows, the first
call's seconds, and on an accelerator the peak memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

SERVE = "--serve"  # what a variant's own process is started with
ONEDNN = "-onednn"  # what a variant of ours ends in that convolves by oneDNN
TORCH = ("eager", "eager-last", "compiled", "compiled-last")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="+", choices=["natural", "pgd", "evaluate"])
    parser.add_argument("--arch", default="resnet18", choices=["resnet18", "resnet50"])
    parser.add_argument("--width", type=float, default=0.125)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--steps", type=int, default=7, help="of the attack")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--devices", type=int, default=2, help="of ours; simulated on a CPU")
    parser.add_argument("--windows", type=int, default=9)
    parser.add_argument("--count", type=int, default=3, help="steps in a window")
    parser.add_argument("--variants", nargs="+", default=["ours", "bare", *TORCH])
    return parser.parse_args()


def make_ours(what, variant, options):
    """Return a function that takes one step and waits for it, and one of the peak memory."""
    import jax
    import numpy as np
    import overhead

    from rtickets import models
    from rtickets.platform import parallel

    jax.config.update("jax_num_cpu_devices", options.devices)
    devices = parallel.local_devices(options.devices if variant == "ours" else 1)
    pixels = {"mean": (0.5,) * options.channels, "std": (0.25,) * options.channels}
    stem = "imagenet" if options.size > 96 else "small"
    model = models.build(
        options.arch, 10, width=options.width, stem=stem, precision=options.precision, **pixels
    )
    shape = (options.size, options.size, options.channels)
    params, stats = models.initialise(model, jax.random.key(0), shape)
    images = np.random.default_rng(0).integers(0, 256, (options.batch, *shape), np.uint8)
    labels = np.arange(options.batch, dtype=np.int32) % 10

    def peak():
        found = [(device.memory_stats() or {}) for device in devices]
        return max(each.get("peak_bytes_in_use", 0) for each in found)

    if what == "evaluate":
        step = overhead.input_gradient(model, params, stats, images, labels, devices)
    else:
        options.objective = what
        data = (options, model, params, stats, images, labels)
        step = (
            overhead.engine(*data, devices)
            if variant == "ours"
            else overhead.bare(*data, devices[0])
        )
    return (lambda: jax.block_until_ready(step())), peak


def serve(what, variant, options):
    """Take a window whenever a line asks for it, and answer with the seconds."""
    import overhead

    if variant in TORCH:
        import torch_steps

        lengths = {
            "eps": overhead.EPS, "step_size": overhead.STEP_SIZE, "rate": overhead.RATE,
            "decay": overhead.DECAY, "momentum": overhead.MOMENTUM,
        }  # fmt: skip
        step, peak = torch_steps.make(what, variant, options, lengths), torch_steps.peak_bytes
    else:
        step, peak = make_ours(what, variant, options)
    for _ in sys.stdin:
        started = time.perf_counter()
        for _ in range(options.count):
            step()
        answer = {"seconds": time.perf_counter() - started, "peak": peak()}
        print(json.dumps(answer), flush=True)


class Variant:
    """A process that takes windows of steps."""

    def __init__(self, name, what, options):
        bare_name = name.removesuffix(ONEDNN)
        words = [sys.executable, __file__, SERVE, json.dumps([what, bare_name, vars(options)])]
        setting = {"RTICKETS_ONEDNN": str(int(name != bare_name))}
        self.name, self.seconds = name, []
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **setting},
        )  # fmt: skip
        self.first, self.peak = self.window(), 0

    def window(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name}: ended without an answer")
        found = json.loads(line)
        self.peak = found["peak"]
        return found["seconds"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def measure(what, options):
    variants = [Variant(name, what, options) for name in options.variants]
    for index in range(options.windows + 1):  # the first warms up; whoever begins takes turns
        for each in variants[:: 1 if index % 2 else -1]:
            seconds = each.window()
            if index:
                each.seconds.append(seconds)
    for each in variants:
        each.end()
    others = [each for each in variants if each.name in TORCH]
    best = min(others, key=lambda each: statistics.median(each.seconds), default=None)
    images = options.count * options.batch
    for each in variants:
        rates = sorted(images / second for second in each.seconds)
        ratio = "-"
        if best is not None:
            pairs = zip(best.seconds, each.seconds, strict=True)
            ratio = f"{statistics.median(its / own for its, own in pairs):.2f}"
        memory = f"{each.peak / 2**30:.1f} GiB" if each.peak else "-"
        spread = f"{statistics.median(rates):,.1f} [{rates[0]:,.1f}, {rates[-1]:,.1f}]"
        cells = (what, each.name, spread, ratio, f"{each.first:.1f} s", memory)
        print(f"| {' | '.join(cells)} |", flush=True)


def main():
    sys.path.insert(0, str(Path(__file__).parent))
    if sys.argv[1:2] == [SERVE]:
        what, variant, options = json.loads(sys.argv[2])
        serve(what, variant, argparse.Namespace(**options))
        return
    options = parse()
    print("| step | variant | images/s | to PyTorch's best | first call | peak |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for what in options.what:
        measure(what, options)


if __name__ == "__main__":
    main()
