"""What pages take as given, small: runs, checkpoints, pictures, texts, a bucket and a hub."""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from rtickets import Ticket, cli, masks

# The runs that guides begin with; each is a command whose network is then made small.
RUNS = (
    "pretrain --config=pretrain/fashion_natural --name=natural-s0",
    "pretrain --config=pretrain/fashion_robust --name=robust-s0 --config.train.seed=1",
    "pretrain --config=pretrain/fashion_robust",
    "draw --config=draw/omp --config.ticket=latest:pretrain-pgd --config.sparsity=0.9 "
    "--config.scope=erk --name=imp0.9-robust-s0",
    "draw --config=draw/omp --config.ticket=latest:pretrain-robust --name=omp0.9-robust-s0",
    "draw --config=draw/omp --config.ticket=latest:pretrain-pgd --config.sparsity=0.9",
    "transfer --config=transfer/mnist5k --config.ticket=latest:draw-omp0.9",
    "evaluate --config=evaluate/pgd --config.ticket=latest:transfer-mnist5k",
)
VOCABULARY = 4096  # of the package
HUB = "OWNER/NAME"
EXPERTS = {"kernel": (4, 8, 16), "bias": (4, 16)}  # four layers from 8 to 16


class Place(NamedTuple):
    """Where the commands of a page are executed.

    Attributes:
        folder: they are called in it.
        chain: a folder with `RUNS`, done.
        values: what stands for the words that `table.FILLED` leaves.
        patch: puts variables of the environment back in the end.
        stack: ends servers in the end.
    """

    folder: Path
    chain: Path
    values: dict[str, Callable[[], str]]
    patch: pytest.MonkeyPatch
    stack: ExitStack


def make_runs(folder: Path, run: Callable[[Sequence[str]], None]) -> None:
    """Run `RUNS`, and make a study that nobody ran."""
    from tests.report.conftest import study_in

    for command in RUNS:
        run([*command.split(), "--workdir=runs"])
    study_in(folder, name="demo")


def runs(place: Place) -> None:
    shutil.copytree(place.chain / "runs", place.folder / "runs")


def photograph(place: Place) -> None:
    generator = np.random.default_rng(0)
    flowers = place.folder / "flowers"
    for label in ("rose", "tulip"):
        (flowers / label).mkdir(parents=True)
        for number in range(100):
            pixels = generator.integers(0, 255, (28, 28, 3), np.uint8)
            Image.fromarray(pixels).save(flowers / label / f"{number}.png")
    noisy = np.linspace(60, 200, 32 * 32).reshape(32, 32) + generator.normal(0, 20, (32, 32))
    Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8)).save(place.folder / "photo.png")


def checkpoints(place: Place) -> None:
    """ResNet-50 of a sixteenth of the width, as MadryLab's library and as torchvision save it."""
    from tests.importers.conftest import pickled, random_state, zip_bytes

    state = random_state("resnet50", num_classes=1000, width=1 / 16, stem="imagenet")
    data = zip_bytes(*pickled(state))
    for name in ("resnet50_l2_eps3.ckpt", "resnet50.pt"):
        (place.folder / name).write_bytes(data)


def experts(place: Place) -> None:
    """A ticket of a network whose shapes do not say that some of its kernels are stacks."""
    generator = np.random.default_rng(0)
    layers = {name: generator.normal(size=shape) for name, shape in EXPERTS.items()}
    params = {"block": {"experts": layers}, "head": {"kernel": generator.normal(size=(16, 3))}}
    Ticket(masks.full(params), params).save(place.folder / "own")


def bert(place: Place) -> None:
    """An encoder of two layers that reads the package's word pieces."""
    from safetensors.numpy import save_file

    from rtickets.config import TextConfig
    from rtickets.data.text.tokenizers import open_tokenizer
    from tests.importers.text import conftest as small

    folder = place.folder / "bert"
    folder.mkdir()
    place.patch.setattr(small, "WORDS", VOCABULARY)
    place.patch.setattr(small, "POSITIONS", 128)
    save_file(small.tensors(), folder / "model.safetensors")
    sizes = {"vocab_size": VOCABULARY, "max_position_embeddings": 128}
    (folder / "config.json").write_text(json.dumps(small.CONFIG | sizes))
    open_tokenizer(TextConfig()).save(str(folder / "tokenizer.json"))


def texts(place: Place) -> None:
    """Lines of words, a folder of more, and a table of reviews."""
    generator = np.random.default_rng(0)
    words = ["".join(generator.choice(list("aeioulmnrst"), 7)) for _ in range(2000)]
    lines = [" ".join(generator.choice(words, 9)) for _ in range(200)]
    (place.folder / "TEXTS.txt").write_text("\n".join(lines))
    (place.folder / "FOLDER").mkdir()
    (place.folder / "FOLDER" / "more.txt").write_text("\n".join(reversed(lines)))
    for name, column, label in (("reviews.csv", "review", "stars"), ("text.csv", "text", "label")):
        with (place.folder / name).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow([column, label])
            rows.writerows((line, number % 3) for number, line in enumerate(lines))


def share(place: Place) -> None:
    """Stamps and photographs where Debian's packages have them."""
    from tests.data.sources.scenes.conftest import write_share

    write_share(place.folder / "share")
    place.values["SHARE"] = lambda: str(place.folder / "share")


def bucket(place: Place) -> None:
    """A server of buckets, with what was made before."""
    from rtickets.storage import workdirs
    from tests import bucket as buckets

    store = place.stack.enter_context(
        buckets.emptied(place.stack.enter_context(buckets.serving()), f"s3://{buckets.BUCKET}")
    )
    place.stack.callback(workdirs.close_all)
    place.values["BUCKET"] = lambda: buckets.BUCKET
    if (place.folder / "bert").exists():
        words = ["import", "bert/model.safetensors", "--arch=bert", "--out=runs/draw-bert-0"]
        assert cli.main(words) == 0
    names = {"flowers": "sets/flowers", "text.csv": "reviews/train.csv"}
    for path in sorted(place.folder.rglob("*")):
        name = path.relative_to(place.folder).as_posix()
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        if path.is_file() and not path.is_relative_to(place.folder / "bert"):
            store.put(name, path.read_bytes())
    if (place.folder / "bert").exists():
        pieces = json.loads((place.folder / "bert" / "tokenizer.json").read_text())
        store.put("vocab.txt", "\n".join(pieces["model"]["vocab"]).encode())


def hub(place: Place) -> None:
    """A hub on this machine, which knows what was pushed last."""
    from huggingface_hub import constants

    from tests.hub import Hub

    server = Hub()
    place.stack.callback(server.server.server_close)
    place.stack.callback(server.server.shutdown)
    place.patch.setenv("HF_ENDPOINT", server.url)
    place.patch.setenv("HF_TOKEN", "hf_of_a_test")
    place.patch.setattr(constants, "HF_HUB_CACHE", str(place.folder / "hub-cache"))
    place.patch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)

    def digest() -> str:
        return hashlib.sha256(server.commits[server.heads[HUB]]["ticket.json"]).hexdigest()

    place.values["COMMIT"] = lambda: server.heads[HUB]
    place.values["DIGEST"] = digest


MAKERS = {
    each.__name__: each
    for each in (runs, photograph, checkpoints, experts, bert, texts, share, bucket, hub)
}
