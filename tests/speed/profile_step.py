"""Where the time of a step goes on one core: convolutions by what they make, and the rest.

    pip install -e '.[onednn,parity]'
    taskset -c 1 python tests/speed/profile_step.py natural evaluate --width=0.25

The steps are those of `beside_torch.py` on one device: ours with convolutions of XLA and of oneDNN,
and PyTorch eager with channels innermost. Milliseconds of every operation, the least of some
steps, which other work on the machine changes least, are summed up by kind. A program of XLA tells
what its operations are, and those of PyTorch have names, one for both gradients of a convolution.
"""

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import beside_torch

VARIANTS = ("ours", "ours-onednn", "eager-last")
KINDS = ("forward", "to images", "to kernels", "normalisation, ReLU, additions", "the rest")
MADE = ("to images", "to kernels", "forward")  # by the numbers of rtickets.models.onednn
BETWEEN = re.compile(r"norm|relu|BasicBlock|block\d|threshold|clamp|aten::add_?$", re.IGNORECASE)


def kind_of(line):
    """Return the kind of an operation of XLA, from its line in a program."""
    if made := re.search(r"makes = (\d)", line):
        return MADE[int(made[1])]
    name = (re.search(r'op_name="([^"]*)"', line) or [line, ""])[1]
    if labels := re.search(r"dim_labels=(\w+)_", line):
        if not labels[1].startswith("b"):
            return "to kernels"
        return "to images" if "transpose" in name else "forward"
    return KINDS[3] if BETWEEN.search(name) else "the rest"


def ours(what, options, folder):
    """Yield the kind of every operation of XLA, its least milliseconds in a step, and its name."""
    import jax

    step, _ = beside_torch.make_ours(what, "ours", options)
    step(), step()
    with jax.profiler.trace(folder):
        for _ in range(options.turns):
            step()
    (trace,) = Path(folder).rglob("*.xplane.pb")
    lines = {}
    for file in Path(folder, "programs").glob("*cpu_after_optimizations.txt"):
        module = file.name.split(".")[1]
        for line in file.read_text().splitlines():
            if found := re.match(r"\s*(?:ROOT )?%?([\w.-]+) = ", line):
                lines[module, found[1]] = line
    times = defaultdict(list)
    for plane in jax.profiler.ProfileData.from_file(str(trace)).planes:
        for event in (event for line in plane.lines for event in line.events):
            told = dict(event.stats)
            if "hlo_op" in told:
                times[told["hlo_module"], told["hlo_op"]].append(event.duration_ns / 1e6)
    for key, found in times.items():
        yield kind_of(lines.get(key, "")), min(found) * len(found) / options.turns, key


def theirs(what, options):
    """Yield the kind of every operation of PyTorch, its least milliseconds, and its name."""
    import overhead
    import torch
    import torch_steps

    torch.set_num_threads(1)
    lengths = {
        "eps": overhead.EPS, "step_size": overhead.STEP_SIZE, "rate": overhead.RATE,
        "decay": overhead.DECAY, "momentum": overhead.MOMENTUM,
    }  # fmt: skip
    step = torch_steps.make(what, "eager-last", options, lengths)
    step(), step()
    turns = []
    for _ in range(options.turns):
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
            step()
        events = sorted(found.events(), key=lambda event: event.time_range.start)
        turns.append([(event.name, event.self_cpu_time_total / 1e3) for event in events])
    for same in zip(*turns, strict=True):
        name = same[0][0]
        kind = KINDS[3] if BETWEEN.search(name) else "the rest"
        if "convolution" in name:
            kind = "to images" if "backward" in name.lower() else "forward"
        yield kind, min(ms for _, ms in same), name


def profile(what, variant, options):
    """Return milliseconds by kind; the process is one of its own."""
    folder = tempfile.mkdtemp()
    os.environ["XLA_FLAGS"] = f"--xla_dump_to={folder}/programs"
    os.environ["RTICKETS_ONEDNN"] = str(int(variant.endswith("onednn")))
    found = theirs(what, options) if variant in beside_torch.TORCH else ours(what, options, folder)
    sums = dict.fromkeys(KINDS, 0.0)
    for kind, ms, name in sorted(found, key=lambda each: -each[1]):
        sums[kind] += ms
        if options.verbose and ms > 0.01:
            print(f"{variant}: {ms:8.3f} ms {kind}: {name}", flush=True)
    return sums


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="+", choices=["natural", "pgd", "evaluate"])
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS)
    parser.add_argument("--verbose", action="store_true", help="every operation")
    options = parser.parse_args()
    vars(options).update(
        arch="resnet18", size=28, channels=1, steps=7, precision="float32", devices=1
    )
    context = multiprocessing.get_context("spawn")
    for what in options.what:
        print(f"| {what}, width {options.width:g}, ms | {' | '.join(KINDS)} | sum |", flush=True)
        for variant in options.variants:
            with context.Pool(1) as pool:
                found = pool.apply(profile, (what, variant, options))
            cells = [f"{ms:.1f}" for ms in (*found.values(), sum(found.values()))]
            print(f"| {variant} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
