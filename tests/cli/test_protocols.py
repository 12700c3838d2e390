"""Protocols of transfer through the command line: finetuning, ladders, and what a study says."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rtickets import cli
from rtickets.draw import Ticket
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.tickets import provenance

HEAD = """
from rtickets.config import *
from dataclasses import replace
from rtickets.settings import config_files
TRAIN = TrainConfig(
    optimizer=OptimizerConfig(learning_rate=0.05, schedule="constant"), duration="6it",
    batch_size=16, validate_every="3it", checkpoint_every="0ep",
)
def data(name): return DataConfig(source="npz", path=f"{FOLDER}/{name}.npz")
def get_config(argument=None): return config_files.editable(CONFIG)
"""
PRETRAIN = "PretrainConfig(data=data('up'), model=ModelConfig(width=0.03125), train=TRAIN)"
TRANSFER = "TransferConfig(data=data('down'), train=TRAIN)"
STUDY = f"""StudyConfig(
    name="small", pretrain={PRETRAIN}, objectives={{"natural": ObjectiveConfig()}},
    sparsities=(0.5,), evaluate=EvaluateConfig(batch_size=30),
    transfers={{"linear": TransferConfig(
        data=replace(data('down'), train_fraction=0.5), mode="linear",
        learning_rates=(0.01, 0.1), train=TRAIN)}})"""


def write(folder, name, config):
    file = folder / f"{name}.py"
    file.write_text(f"FOLDER = {str(folder)!r}\n{HEAD}CONFIG = {config}\n")
    return file


@pytest.fixture(scope="module", autouse=True)
def _small_network() -> Iterator[None]:
    """Compiling a whole ResNet-18 takes longer than all that is tested here."""

    def build(meta):
        pixels = {"mean": tuple(meta["mean"]), "std": tuple(meta["std"])}
        return ResNet((1,), BasicBlock, len(meta["class_names"]), width=4, stem="small", **pixels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "build_model", build)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("protocols")
    for name, classes in (("up", 3), ("down", 2)):
        generator, arrays = np.random.default_rng(classes), {}
        for part in ("train", "test"):
            labels = np.arange(120) % classes
            noise = generator.integers(0, 100, (120, 8, 8))
            images = noise + (150 // classes) * labels[:, None, None]
            arrays |= {f"x_{part}": images.astype(np.uint8), f"y_{part}": labels}
        np.savez(folder / f"{name}.npz", **arrays)
    for name, config in (("pretrain", PRETRAIN), ("transfer", TRANSFER), ("study", STUDY)):
        write(folder, name, config)
    run(folder, "pretrain", f"--config={folder / 'pretrain.py'}")
    return folder


def run(folder, verb, *words):
    return cli.main([verb, *words, f"--workdir={folder / 'runs'}", "--cpu-devices=1"])


def transfer(folder, capsys, *words):
    """Run a transfer and return its folder and result."""
    words = [f"--config={folder / 'transfer.py'}", "--config.ticket=latest:pretrain-", *words]
    assert run(folder, "transfer", *words) in (0, None)
    out = capsys.readouterr().out
    path = out.rstrip().rpartition("done: ")[2]
    return path, json.loads((Path(path) / "result.json").read_text())


def history(path):
    return Ticket.load(f"{path}/ticket").meta["history"][-1]


def test_natural_and_adversarial_finetuning_train_different_networks(folder, capsys):
    attack = ["--config.train.objective.name=pgd", "--config.train.objective.attack.eps=0.2",
              "--config.train.objective.attack.num_steps=1"]  # fmt: skip
    natural, found = transfer(folder, capsys)
    robust, under_attack = transfer(folder, capsys, *attack)
    assert history(natural)["train"]["objective"]["name"] == "natural"
    assert history(robust)["train"]["objective"]["attack"]["eps"] == 0.2
    kernels = [Ticket.load(f"{path}/ticket").params["head"]["kernel"] for path in (natural, robust)]
    assert not np.array_equal(*kernels)
    assert found["moves"].startswith("every surviving weight")
    assert under_attack["moves"] == found["moves"]


def test_a_ladder_is_a_field_of_a_transfer(folder, capsys):
    path, found = transfer(
        folder, capsys, "--config.mode=linear", "--config.learning_rates=(0.01,0.1)",
        "--config.weight_decays=(0,1e-3)",
    )  # fmt: skip
    assert len(found["rungs"]) == 4
    assert history(path)["train"]["optimizer"]["learning_rate"] == found["learning_rate"]


def test_a_few_examples_of_a_file_are_a_field_of_the_data(folder, capsys):
    few = ["--config.mode=linear", "--config.data.train_per_class=10",
           "--config.data.train_choice=prefix", "--config.train.batch_size=8"]  # fmt: skip
    path, found = transfer(folder, capsys, *few)
    words = "10 training examples of every class, the first of the file"
    assert words in found["moves"]
    meta = Ticket.load(f"{path}/ticket").meta
    assert meta["task"]["train_per_class"] == 10
    assert "10 a class (prefix)" in provenance.history_lines(meta)[-1]


def test_a_study_says_what_every_cell_chose(folder, capsys):
    run(folder, "study", f"--config={folder / 'study.py'}")
    out = capsys.readouterr().out
    assert "linear: learning rate chosen on validation images:" in out
    assert "AT THE END OF THE LADDER" in out  # of two rates either is
    (study,) = (folder / "runs").glob("study-small-*")
    cells = json.loads((study / "result.json").read_text())["cells"]
    assert all(cell["chosen"]["learning_rate"] in (0.01, 0.1) for cell in cells)
    page = (study / "report.html").read_text()
    assert "chosen on validation images" in page
    assert "50% of the training examples" in page
    assert "50% of the training examples" in out
