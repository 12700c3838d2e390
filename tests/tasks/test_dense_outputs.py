"""A class for every pixel, some of them unknown, from a user's own file to an evaluation."""

import jax
import numpy as np
import pytest

from rtickets import Ticket, models
from rtickets.data import SOURCES
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics
from rtickets.tickets import provenance

FILE = '''
"""Where are the squares, and which are bright? Pixels at their edges are unknown."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from pydantic.dataclasses import dataclass

from rtickets.config import (
    AttackConfig, DataConfig, DrawConfig, EvaluateConfig, ModelConfig, ObjectiveConfig,
    PretrainConfig, TrainConfig, TransferConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.models import ARCHITECTURES, Architecture
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files
from rtickets.tasks import TASKS, Headline, ImageTask, Measured

UNKNOWN = 255


class MapHead(nn.Module):
    classes: int

    @nn.compact
    def __call__(self, found):
        return nn.Conv(self.classes, (1, 1), name="out")(found.levels["stage1"])


@dataclass(frozen=True)
class Squares(ImageTask):
    name: Literal["squares"] = "squares"
    classes: int = 3
    headline = Headline("miou", "share", words="mean IoU")
    head = MapHead
    answers = "classes"

    def width(self, about):
        return self.classes

    def prepare(self, transform, raw):
        return {**super().prepare(transform, raw), "mask": transform.prepare_map(raw["mask"])}

    def augment(self, transform, keys, raw):
        batch = super().augment(transform, keys, raw)
        return {**batch, "mask": transform.training_map(keys, raw["mask"], fill=UNKNOWN)}

    def loss(self, outputs, batch, reduce=None):
        known = batch["mask"] != UNKNOWN
        labels = jnp.where(known, batch["mask"], 0).astype(jnp.int32)
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs, labels)
        return jnp.where(known, losses, 0).sum((1, 2)) / jnp.maximum(known.sum((1, 2)), 1)

    def sums(self, outputs, batch):
        known = batch["mask"] != UNKNOWN
        labels = jnp.where(known, batch["mask"], 0)
        table = jnp.zeros((self.classes, self.classes), jnp.int32)
        return {"table": table.at[labels, outputs.argmax(-1)].add(known.astype(jnp.int32))}

    def measures(self, sums):
        table = np.asarray(sums["table"], float)
        right = table.diagonal()
        union = table.sum(0) + table.sum(1) - right
        iou = float((right[union > 0] / union[union > 0]).mean())
        pixels = float(right.sum() / table.sum())
        return {"miou": Measured(iou, iou, iou, "share"),
                "pixels": Measured(pixels, pixels, pixels, "share")}


def squares(config, view):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 40, (60, 9, 9, 1)).astype(np.uint8)
    mask = np.zeros((60, 9, 9), np.uint8)
    for one, (image, known) in enumerate(zip(images, mask)):
        top, left = generator.integers(0, 5, 2)
        image[top : top + 4, left : left + 4] += 100 + 90 * (one % 2)
        known[top : top + 4, left : left + 4] = 1 + one % 2
        known[top, left : left + 4] = UNKNOWN
    return Raw(Split({"image": images, "mask": mask}), None)


TASKS["squares"] = Squares
SOURCES["squares"] = Source(squares, "60 images, 9x9 grey", needs="", task=Squares())
ARCHITECTURES["block"] = Architecture(
    lambda asked: ResNet((1,), BasicBlock, asked.num_classes, width=4, stem="small", **asked.shared)
)
DATA = DataConfig(source="squares", flip=True, crop_padding=1)
ATTACK = AttackConfig(eps=0.05, num_steps=1)


def get_config(which):
    objective = ObjectiveConfig(name="pgd", attack=ATTACK) if which == "pgd" else ObjectiveConfig()
    train = TrainConfig(objective=objective, duration="12it", batch_size=8, validate_every="6it")
    pretrain = PretrainConfig(DATA, ModelConfig(arch="block"), train)
    return config_files.editable({
        "pretrain": pretrain,
        "pgd": pretrain,
        "draw": DrawConfig(criterion="magnitude", sparsity=0.5),
        "transfer": TransferConfig(data=DATA, train=train),
        "evaluate": EvaluateConfig(
            attacks={"pgd": ATTACK}, honesty_examples=0, batch_size=5, save_images=True
        ),
    }[which])
'''


def table_of(ticket, images, masks):
    """Return the confusion matrix of a ticket without the package's counting."""
    model = provenance.build_model(ticket.meta)
    weights = jax.tree.map(np.multiply, ticket.params, ticket.mask)
    outputs = np.asarray(models.logits(model, weights, ticket.batch_stats, images))
    assert outputs.shape == (*masks.shape, 3)
    table = np.zeros((3, 3), int)
    known = masks != 255
    np.add.at(table, (masks[known], outputs.argmax(-1)[known]), 1)
    return table


def iou_of(table):
    right, union = table.diagonal(), table.sum(0) + table.sum(1) - table.diagonal()
    return (right[union > 0] / union[union > 0]).mean()


def test_pixels_are_learnt_drawn_transferred_and_measured(own_file, tmp_path):
    run = own_file("squares", FILE)
    dense = run("pretrain")
    robust = run("pretrain", config="pgd")
    for folder in (dense, robust):
        lines = read_metrics(folder / "metrics.jsonl")
        assert {"miou", "pixels", "validation", "loss"} < set(lines[-1])
        assert lines[-1]["loss"] < lines[0]["loss"]
        assert RunFolder(folder, "").result()["validation"] == pytest.approx(
            max(line["validation"] for line in lines), abs=1e-6
        )
    drawn = run("draw", f"ticket={robust}")
    moved = run("transfer", f"ticket={drawn}")
    folder = run("evaluate", f"ticket={moved}")
    result = RunFolder(folder, "").result()
    ticket = Ticket.load(moved / "ticket")
    assert ticket.meta["image_shape"] == [9, 9, 1]
    stored = SOURCES["squares"].load(None, None).train.arrays
    test = np.sort(np.random.default_rng(0).permutation(60)[:12])
    images, masks = stored["image"][test] / np.float32(255), stored["mask"][test]
    table = table_of(ticket, images, masks)
    assert result["clean"]["examples"] == 12
    assert result["clean"]["value"] == pytest.approx(iou_of(table), abs=1e-6)
    pixels = result["measures"]["pixels"]["value"]
    assert pixels == pytest.approx(table.trace() / (masks != 255).sum(), abs=1e-6)
    with np.load(folder / "adversarial_pgd.npz") as kept:
        attacked = table_of(ticket, kept["x_adv"], kept["mask"])
        np.testing.assert_array_equal(kept["mask"], masks)
    assert result["attacks"]["pgd"]["value"] == pytest.approx(iou_of(attacked), abs=1e-6)
    assert result["attacks"]["pgd"]["value"] <= result["clean"]["value"]
