"""Linear evaluation on features of every step against features that are computed once.

    python tests/speed/heads.py [--rates 4] [--epochs 20] [--examples 200] [--validate 1ep]

The demo's network with fresh weights on digits of MNIST; both kinds train the same heads from the
same weights, in the same process, one after the other, compilation included.
"""

import argparse
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from rtickets import data, masks, models, stages
from rtickets.config import DataConfig, OptimizerConfig, TrainConfig, TransferConfig
from rtickets.draw import Ticket
from rtickets.platform import parallel
from rtickets.runs.folders import find_ticket
from rtickets.settings import config_files
from rtickets.stages.demo import demo_study

SHAPE = (28, 28, 1)


def save_ticket(folder: Path) -> None:
    demo = demo_study().pretrain
    config = config_files.replace(demo.model)
    model = models.from_config(config, 10, mean=(0.3,), std=(0.3,))
    params, stats = models.initialise(model, jax.random.key(0), SHAPE)
    meta = {
        "model": config_files.to_dict(config), "class_names": [str(n) for n in range(10)],
        "image_shape": list(SHAPE), "mean": [0.3], "std": [0.3],
    }  # fmt: skip
    Ticket(masks.full(params), params, stats, meta).save(folder)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rates", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--validate", default="1ep")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_ticket(folder / "dense")
        ladder = tuple(np.geomspace(0.001, 0.03, options.rates).tolist())
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
        devices, source = parallel.local_devices(1), find_ticket(str(folder / "dense"))
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
