"""Linear evaluation on features of every step against features that are computed once.

    python tests/speed/heads.py [--rates 4] [--epochs 20] [--examples 200] [--validate 1ep]

The demo's network with fresh weights on digits of MNIST; both kinds train the same heads from the
same weights, in the same process, one after the other, compilation included.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
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

SHAPE = (28, 28, 1)


def save_tickets(folder: Path, seed: int = 0, sparsities: Sequence[float] = (0.0,)) -> list[Path]:
    """Save one-shot tickets of the demo's network with random weights."""
    config = demo_study().pretrain.model
    model = models.from_config(config, 10, mean=(0.3,), std=(0.3,))
    params, stats = models.initialise(model, jax.random.key(seed), SHAPE)
    meta = {
        "model": config_files.to_dict(config), "class_names": [str(n) for n in range(10)],
        "image_shape": list(SHAPE), "mean": [0.3], "std": [0.3],
    }  # fmt: skip
    paths = []
    for sparsity in sparsities:
        mask = draw_omp(params, sparsity=sparsity) if sparsity else masks.full(params)
        paths.append(folder / f"seed{seed}-{sparsity}")
        Ticket(mask, masks.apply(mask, params), stats, meta).save(paths[-1])
    return paths


def parser() -> argparse.ArgumentParser:
    """Return the options that both scripts have."""
    found = argparse.ArgumentParser()
    found.add_argument("--rates", type=int, default=4)
    found.add_argument("--epochs", type=int, default=20)
    found.add_argument("--examples", type=int, default=200)
    found.add_argument("--validate", default="1ep")
    return found


def linear(options: argparse.Namespace, lowest: float) -> TransferConfig:
    """Return the linear evaluation that is timed."""
    ladder = tuple(np.geomspace(lowest, 0.03, options.rates).tolist())
    return TransferConfig(
        data=DataConfig(source="mnist5k", crop_padding=0, train_examples=options.examples),
        mode="linear",
        learning_rates=ladder if options.rates > 1 else (),
        train=TrainConfig(
            optimizer=OptimizerConfig(learning_rate=0.1), duration=f"{options.epochs}ep",
            batch_size=40, statistics="frozen", validate_every=options.validate,
            checkpoint_every="0ep",
        ),
    )  # fmt: skip


def main() -> None:
    options = parser().parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (dense,) = save_tickets(folder)
        config = linear(options, 0.001)
        devices, source = parallel.local_devices(1), find_ticket(str(dense))
        data.load(config.data)  # the first time reads the file
        for seed, words in enumerate(("first, with compilation", "again, another seed")):
            seconds = {}
            for kind in ("cached", "computed"):
                own = config_files.replace(config, features=kind, train__seed=seed)
                start = time.monotonic()
                result = stages.transfer(own, source, folder / "runs", "x", devices).result()
                seconds[kind] = time.monotonic() - start
                found = [each["validation"] for each in result.get("rungs", [result])]
                print(f"{words}, {kind}: {seconds[kind]:.2f} s, validation {found}")
            print(f"{words}: ratio {seconds['computed'] / seconds['cached']:.1f}")


if __name__ == "__main__":
    main()
