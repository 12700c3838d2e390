"""Linear evaluation of the tickets of a study: in every step, cached one by one, and together.

    python tests/speed/study_heads.py [--seeds 2] [--rates 2] [--epochs 20] [--validate 5ep]

Tickets of the demo's network with fresh weights, dense and at four sparsities for every seed, on
digits of MNIST; all kinds train the same heads from the same weights in the same process, one kind
after the other: first on tickets of other seeds, with compilation, then as from then on, without.
Seconds are of all transfers, from reading tickets to writing results: of the processor, which other
work on the machine does not change, and by the clock.
"""

import argparse
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from rtickets import data, draw_omp, masks, models, stages
from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.draw import Ticket
from rtickets.platform import parallel
from rtickets.runs.folders import find_ticket
from rtickets.settings import config_files
from rtickets.stages.demo import demo_study
from rtickets.stages.transfer import Asked, transfer_together

SHAPE = (28, 28, 1)
SPARSITIES = (0.0, 0.8, 0.9, 0.95, 0.98)


def save_tickets(folder: Path, seed: int) -> list[Path]:
    config = demo_study().pretrain.model
    model = models.from_config(config, 10, mean=(0.3,), std=(0.3,))
    params, stats = models.initialise(model, jax.random.key(seed), SHAPE)
    meta = {
        "model": config_files.to_dict(config), "class_names": [str(n) for n in range(10)],
        "image_shape": list(SHAPE), "mean": [0.3], "std": [0.3],
    }  # fmt: skip
    paths = []
    for sparsity in SPARSITIES:
        mask = draw_omp(params, sparsity=sparsity) if sparsity else masks.full(params)
        paths.append(folder / f"seed{seed}-{sparsity}")
        Ticket(mask, masks.apply(mask, params), stats, meta).save(paths[-1])
    return paths


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--rates", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--validate", default="5ep")
    options = parser.parse_args()
    ladder = tuple(np.geomspace(0.003, 0.03, options.rates).tolist())
    config = TransferConfig(
        data=DataConfig(source="mnist5k", crop_padding=0, train_examples=options.examples),
        mode="linear",
        learning_rates=ladder if options.rates > 1 else (),
        train=TrainConfig(
            optimizer=OptimizerConfig(learning_rate=0.1), duration=f"{options.epochs}ep",
            batch_size=40, statistics="frozen", validate_every=options.validate,
            checkpoint_every="0ep",
        ),
    )  # fmt: skip
    devices = parallel.local_devices(1)
    data.load(config.data)  # the first time reads the file
    for words, first in (("first, with compilation", 100), ("again, other seeds", 0)):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tickets = [
                (find_ticket(str(path)), seed)
                for seed in range(first, first + options.seeds)
                for path in save_tickets(folder, seed)
            ]
            seconds, found = {}, {}
            for kind in ("together", "cached", "computed"):
                features = "computed" if kind == "computed" else "cached"
                asked = [
                    Asked(
                        config_files.replace(config, features=features, train__seed=seed),
                        ticket,
                        "x",
                    )
                    for ticket, seed in tickets
                ]
                workdir = folder / kind
                start, began = time.monotonic(), time.process_time()
                if kind == "together":
                    transfer_together(asked, workdir, devices)
                runs = [
                    stages.transfer(each.config, each.source, workdir, "x", devices)
                    for each in asked
                ]
                seconds[kind] = time.process_time() - began
                clock = time.monotonic() - start
                results = [run.result() for run in runs]
                found[kind] = [
                    each["validation"] for one in results for each in one.get("rungs", [one])
                ]
                print(f"{words}, {kind}: {seconds[kind]:.2f} s, {clock:.2f} by the clock")
            gap = max(np.abs(np.subtract(found["computed"], found[kind])).max() for kind in found)
            ratios = {kind: seconds[kind] / seconds["together"] for kind in ("computed", "cached")}
            print(
                f"{words}: {len(found['computed'])} heads of {len(tickets)} tickets; in times of "
                f"together: {ratios}; largest difference of validation {gap:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
