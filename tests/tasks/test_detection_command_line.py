"""Detection through the command line, from a network that tells classes apart."""

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import Ticket
from rtickets.report import write_evaluation
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics

pytest.importorskip("pycocotools")

FILE = '''
"""Squares, told apart as whole images first, then found in them."""

import numpy as np

from rtickets.config import (
    AttackConfig, DataConfig, DrawConfig, EvaluateConfig, MeasureConfig, ModelConfig,
    ObjectiveConfig, PretrainConfig, TrainConfig, TransferConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.models import ARCHITECTURES, Architecture
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files
from rtickets.tasks import Detection


def squares(config, view):
    rng = np.random.default_rng(0)
    images = rng.integers(100, 130, (80, 16, 16, 3)).astype(np.uint8)
    boxes, labels = np.zeros((80, 2, 4), np.float32), rng.integers(0, 2, 80).astype(np.int32)
    classes = np.full((80, 2), -1, np.int32)
    for image, own, named, label in zip(images, boxes, classes, labels):
        top, left = rng.integers(0, 9, 2)
        image[top : top + 7, left : left + 7] = (250, 5)[label]
        own[1], named[1] = (top, left, top + 7, left + 7), label
    split = Split({"image": images, "label": labels, "boxes": boxes, "classes": classes})
    return Raw(split, None, ("bright", "dark"))


SOURCES["squares"] = Source(squares, "80 squares", "")
ARCHITECTURES["block"] = Architecture(
    lambda asked: ResNet((1,), BasicBlock, asked.num_classes, width=4, stem="small", **asked.shared)
)
TRAIN = TrainConfig(duration="6it", batch_size=16, checkpoint_every="2it")
ROBUST = ObjectiveConfig(name="pgd", attack=AttackConfig(eps=0.05, num_steps=1))
TASK = Detection(channels=8, depth=1, levels=("stage1",), coarser=1, candidates=64, least=0.0)
BOXES = DataConfig(source="squares", task=TASK, flip=True, crop_padding=1)


def get_config(verb):
    return config_files.editable({
        "pretrain": PretrainConfig(DataConfig(source="squares"), ModelConfig("block"), TRAIN),
        "draw": DrawConfig(sparsity=0.5),
        "transfer": TransferConfig(data=BOXES, train=TRAIN),
        "robust": TransferConfig(
            data=BOXES,
            train=TrainConfig(duration="2it", batch_size=16, accumulate=2, objective=ROBUST),
        ),
        "evaluate": EvaluateConfig(
            attacks={"pgd": AttackConfig(eps=0.1, num_steps=2)},
            measures={
                "seen": MeasureConfig(name="answers", examples=3, each_class=2),
                "classes": MeasureConfig(name="per_class"),
            },
            honesty_examples=0,
        ),
    }[verb])
'''

JUDGED = "squares", "evaluate"


def test_a_ticket_of_whole_images_is_transferred_to_boxes(own_file):
    run = own_file("squares", FILE)
    drawn = run("draw", f"ticket={run('pretrain')}")
    moved = run("transfer", f"ticket={drawn}")
    before, after = (Ticket.load(folder / "ticket") for folder in (drawn, moved))
    assert after.params["head"]["classes"]["kernel"].shape == (3, 3, 8, 2)
    for name, mask in before.mask.items():
        if name != "head":
            jax.tree.map(np.testing.assert_array_equal, after.mask[name], mask)
    result = RunFolder(folder := run("evaluate", f"ticket={moved}"), "").result()
    measures = result["measures"]
    named = {"ap", "ap50", "ap75", "ap_voc07", "place_iou", "seen.ap"}
    assert named <= set(measures)
    assert result["headline"]["name"] == "ap"
    assert result["clean"]["value"] == measures["ap"]["value"]
    assert 0 <= result["attacks"]["pgd"]["value"] <= 1
    page = write_evaluation(RunFolder(folder, "")).read_text()
    for number, name in enumerate(("bright", "dark")):
        assert f"classes.class_{number} {name}" in measures
        assert f"classes.class_{number} {name} (%)" in page
    for number, name in ((0, "bright"), (1, "dark")):
        assert f"seen.class_{number}_{name}" in page
        assert (folder / "pictures" / f"seen.class_{number}_{name}.png").is_file()
    for name in ("image", "truth", "answer"):
        with Image.open(folder / "pictures" / f"seen.{name}.png") as picture:
            assert picture.size == (3 * 16 + 2, 16)
    # On a frozen backbone the head alone is trained.
    again = run("transfer", f"ticket={moved}", "mode=linear", "train.statistics=frozen")
    kept = Ticket.load(again / "ticket").params
    for name, leaf in after.params.items():
        if name != "head":
            jax.tree.map(np.testing.assert_array_equal, kept[name], leaf)
    robust = run("transfer", f"ticket={drawn}", config="robust")
    assert Ticket.load(robust / "ticket").meta["history"][-1]["train"]["objective"]["name"] == "pgd"


def test_a_killed_transfer_ends_bit_equal(own_file, ends_bit_equal):
    run = own_file("squares", FILE)
    options = [f"ticket={run('pretrain')}", "train.validate_every=2it"]
    resumed = ends_bit_equal(run("transfer", *options), "squares", "transfer", *options)
    assert len((resumed / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.slow
def test_two_processes_find_what_one_finds(own_file, by_two_and_by_one):
    run = own_file("squares", FILE)
    two, one = by_two_and_by_one("squares", "transfer", f"ticket={run('pretrain')}")
    tickets = [Ticket.load(folder / "ticket") for folder in (two, one)]
    chex.assert_trees_all_close(*(ticket.params for ticket in tickets), atol=1e-6, rtol=0)
    lines = [read_metrics(folder / "metrics.jsonl") for folder in (two, one)]
    for ours, theirs in zip(*lines, strict=True):  # sums over devices are rounded otherwise
        assert ours == pytest.approx(theirs, rel=1e-6)
    ticket = f"ticket={one.absolute()}"
    measured = [RunFolder(each, "").result() for each in by_two_and_by_one(*JUDGED, ticket)]
    for name, found in measured[1]["measures"].items():
        assert measured[0]["measures"][name] == pytest.approx(found, abs=1e-6), name
