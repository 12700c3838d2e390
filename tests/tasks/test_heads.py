"""A task with a head of its own: a map of classes, through the command line."""

from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rtickets import Ticket, cli, models
from rtickets.config import ModelConfig
from rtickets.costs.network_costs import network_cost
from rtickets.data import SOURCES
from rtickets.models import ARCHITECTURES, LinearHead
from rtickets.runs.folders import RunFolder
from rtickets.tasks import TASKS, Classification
from rtickets.tickets import provenance

FILE = '''
"""Which half of the range does every place of an image lie in?"""

from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import optax
from pydantic.dataclasses import dataclass

from rtickets.config import DataConfig, EvaluateConfig, ModelConfig, PretrainConfig, TrainConfig
from rtickets.config import AttackConfig, DrawConfig, TransferConfig
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.models import ARCHITECTURES, Architecture
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files
from rtickets.tasks import TASKS, Headline, ImageTask, Measured


class MapHead(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, found):
        return nn.Conv(self.classes, (1, 1), name="out")(found.levels["stage1"])


@dataclass(frozen=True)
class Halves(ImageTask):
    name: Literal["halves"] = "halves"
    headline = Headline("places", "share")
    head = MapHead

    def width(self, about):
        return 2

    def loss(self, outputs, batch, reduce=None):
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, batch["map"])
        return losses.mean((1, 2))

    def sums(self, outputs, batch):
        right = outputs.argmax(-1) == batch["map"]
        return {"right": right.sum(), "places": jnp.int32(right.size)}

    def measures(self, sums):
        found = float(sums["right"] / sums["places"])
        return {"places": Measured(found, found, found, "share")}


def halves(config, view):
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1)).astype(np.uint8)
    return Raw(Split({"image": images, "map": (images[..., 0] > 127).astype(np.int32)}), None)


TASKS["halves"] = Halves
SOURCES["halves"] = Source(halves, "60 images, 8x8 grey", needs="", task=Halves())
ARCHITECTURES["block"] = Architecture(
    lambda asked: ResNet((1,), BasicBlock, asked.num_classes, width=4, stem="small", **asked.shared)
)
DATA = DataConfig(source="halves")
TRAIN = TrainConfig(duration="2it", batch_size=8)


def get_config(verb):
    return config_files.editable({
        "pretrain": PretrainConfig(DATA, ModelConfig(arch="block"), TRAIN),
        "transfer": TransferConfig(data=DATA, train=TRAIN),
        "draw": DrawConfig(criterion="snip", sparsity=0.5, examples=8, batch_size=8),
        "evaluate": EvaluateConfig(
            attacks={"pgd": AttackConfig(eps=0.1, num_steps=1)}, honesty_examples=0
        ),
    }[verb])
'''


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Leave the registries as they were."""
    monkeypatch.chdir(tmp_path)
    Path("halves.py").write_text(FILE)
    before = [(entries, dict(entries)) for entries in (TASKS, SOURCES, ARCHITECTURES)]
    yield
    for entries, kept in before:
        entries.clear()
        entries.update(kept)


def run(verb, *options):
    words = [verb, f"--config=halves.py:{verb}", "--workdir=runs", "--devices=1"]
    words += [f"--config.{option}" for option in options]
    assert cli.main([*words, "--dry-run"]) == 0
    assert cli.main(words) == 0
    (folder,) = Path("runs").glob(f"{verb}-*")
    return folder


def test_a_map_of_classes_is_trained_drawn_transferred_and_measured():
    dense = run("pretrain")
    drawn = run("draw", f"ticket={dense}")
    moved = run("transfer", f"ticket={drawn}")
    for folder in (dense, drawn, moved):
        ticket = Ticket.load(folder / "ticket")
        assert ticket.params["head"]["out"]["kernel"].shape == (1, 1, 4, 2)
    model = provenance.build_model(ticket.meta)
    weights = jax.tree.map(jnp.multiply, ticket.params, ticket.mask)
    images = SOURCES["halves"].load(None, None).train.arrays["image"]
    test = np.sort(np.random.default_rng(0).permutation(60)[:12])
    x = images[test].astype(np.float32) / 255
    outputs = models.logits(model, weights, ticket.batch_stats, x)
    assert outputs.shape == (12, 8, 8, 2)
    result = RunFolder(run("evaluate", f"ticket={moved}"), "").result()
    right = np.asarray(outputs).argmax(-1) == (images[test][..., 0] > 127)
    assert result["clean"]["value"] == pytest.approx(right.mean(), abs=2e-3)
    assert set(result["attacks"]) == {"pgd"}


class Two(nn.Module):
    """A head with two answers."""

    width: int

    @nn.compact
    def __call__(self, found):
        return {"a": nn.Dense(self.width)(found.pooled), "b": (nn.Dense(1)(found.pooled),)}


def test_costs_count_every_output():
    config = ModelConfig(arch="resnet18", width=1 / 32, stem="small")
    one, two = (network_cost(config, 3, (8, 8, 1), head) for head in (LinearHead, Two))
    assert two.weights - one.weights == 16 + 1  # resnet18 ends in 512 / 32 features
    assert two.forward > one.forward


def test_classification_has_the_head_that_networks_have_unasked():
    assert Classification().head is LinearHead
