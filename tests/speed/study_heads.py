"""Linear evaluation of the tickets of a study: in every step, cached one by one, and together.

    python tests/speed/study_heads.py [--seeds 2] [--rates 2] [--epochs 20] [--validate 5ep]

Tickets of the demo's network with fresh weights, dense and at four sparsities for every seed, on
digits of MNIST; all kinds train the same heads from the same weights in the same process, one kind
after the other: first on tickets of other seeds, with compilation, then as from then on, without.
Seconds are of all transfers, from reading tickets to writing results: of the processor, which other
work on the machine does not change, and by the clock.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from heads import linear, parser, save_tickets

from rtickets import data, stages
from rtickets.platform import parallel
from rtickets.runs.folders import find_ticket
from rtickets.settings import config_files
from rtickets.stages.transfer import Asked, transfer_together

SPARSITIES = (0.0, 0.8, 0.9, 0.95, 0.98)
KINDS = ("together", "cached", "computed")


def timed(kind, config, tickets, workdir, devices):
    """Return the processor's and the clock's seconds, and the accuracies on validation images."""
    features = "computed" if kind == "computed" else "cached"
    asked = [
        Asked(config_files.replace(config, features=features, train__seed=seed), ticket, "x")
        for ticket, seed in tickets
    ]
    start, began = time.monotonic(), time.process_time()
    if kind == "together":
        transfer_together(asked, workdir, devices)
    runs = [stages.transfer(each.config, each.source, workdir, "x", devices) for each in asked]
    seconds, clock = time.process_time() - began, time.monotonic() - start
    results = [run.result() for run in runs]
    return (
        seconds,
        clock,
        [each["validation"] for one in results for each in one.get("rungs", [one])],
    )


def measure(words, first, options):
    """Time all kinds on tickets of their own seeds, and print how they compare."""
    config, devices = linear(options, 0.003), parallel.local_devices(1)
    data.load(config.data)  # the first time reads the file
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tickets = [
            (find_ticket(str(path)), seed)
            for seed in range(first, first + options.seeds)
            for path in save_tickets(folder, seed, SPARSITIES)
        ]
        seconds, found = {}, {}
        for kind in KINDS:
            own = (kind, config, tickets, folder / kind, devices)
            seconds[kind], clock, found[kind] = timed(*own)
            print(f"{words}, {kind}: {seconds[kind]:.2f} s, {clock:.2f} by the clock")
    gap = max(np.abs(np.subtract(found["computed"], found[kind])).max() for kind in found)
    ratios = {kind: seconds[kind] / seconds["together"] for kind in ("computed", "cached")}
    print(
        f"{words}: {len(found['computed'])} heads of {len(tickets)} tickets; in times of "
        f"together: {ratios}; largest difference of validation {gap:.4f}",
        flush=True,
    )


def main() -> None:
    own = parser()
    own.add_argument("--seeds", type=int, default=2)
    own.set_defaults(rates=2, validate="5ep")
    options = own.parse_args()
    measure("first, with compilation", 100, options)
    measure("again, other seeds", 0, options)


if __name__ == "__main__":
    main()
