"""Segmentation through the command line, from a network that tells classes apart."""

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import Ticket
from rtickets.report import write_evaluation
from rtickets.runs.folders import RunFolder
from rtickets.storage.files import read_metrics

FILE = '''
"""Squares, told apart as whole images first, then pixel by pixel."""

import numpy as np

from rtickets.config import (
    AttackConfig, DataConfig, DrawConfig, EvaluateConfig, ImpConfig, MeasureConfig,
    ModelConfig, ObjectiveConfig, PretrainConfig, TrainConfig, TransferConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.settings import config_files
from rtickets.tasks import Segmentation


def squares(config, view):
    rng = np.random.default_rng(0)
    images = rng.integers(100, 130, (80, 16, 16, 3)).astype(np.uint8)
    masks, labels = np.zeros((80, 16, 16), np.uint8), rng.integers(0, 2, 80).astype(np.int32)
    for image, mask, label in zip(images, masks, labels):
        top, left = rng.integers(0, 9, 2)
        image[top : top + 7, left : left + 7] = (250, 5)[label]
        mask[top : top + 7, left : left + 7] = label + 1
        mask[0] = 255
    split = Split({"image": images, "label": labels, "mask": masks})
    return Raw(split, None, ("bright", "dark"))


SOURCES["squares"] = Source(squares, "80 squares", "")
TRAIN = TrainConfig(duration="6it", batch_size=16)
MAPS = DataConfig(source="squares", task=Segmentation(output_stride=8, channels=8), flip=True)


SEGPGD = AttackConfig(name="segpgd", eps=0.1, num_steps=2)
ROBUST = ObjectiveConfig(name="pgd", attack=SEGPGD)
PRETRAIN = PretrainConfig(
    DataConfig(source="squares"), ModelConfig(width=1 / 32, stem="imagenet"), TRAIN
)
SCALED = DataConfig(
    source="squares", image_size=12, random_scale=(0.5, 2),
    task=Segmentation(output_stride=8, channels=8, evaluation="sliding"),
)


def get_config(verb):
    return config_files.editable({
        "pretrain": PRETRAIN,
        "draw": DrawConfig(sparsity=0.5),
        "imp": DrawConfig(
            method=ImpConfig(head="keep"), sparsity=0.36, data=MAPS,
            train=TrainConfig(
                duration="2it", batch_size=16, select="last", validate_every="0ep"
            ),
        ),
        "transfer": TransferConfig(data=MAPS, train=TRAIN),
        "robust": TransferConfig(
            data=SCALED, train=TrainConfig(duration="6it", batch_size=16, objective=ROBUST),
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


def test_a_ticket_of_whole_images_is_transferred_to_their_pixels(own_file):
    run = own_file("squares", FILE)
    drawn = run("draw", f"ticket={run('pretrain')}")
    moved = run("transfer", f"ticket={drawn}")
    before, after = (Ticket.load(folder / "ticket") for folder in (drawn, moved))
    assert after.params["head"]["classes"]["kernel"].shape == (1, 1, 8, 3)
    assert set(after.batch_stats["head"]) > {"point", "context1", "fine"}
    kept = {name: mask for name, mask in before.mask.items() if name != "head"}
    for name, mask in kept.items():
        jax.tree.map(np.testing.assert_array_equal, after.mask[name], mask)
    result = RunFolder(folder := run("evaluate", f"ticket={moved}"), "").result()
    measures = result["measures"]
    assert {"miou", "pixel_accuracy", "class_accuracy", "seen.miou"} <= set(measures)
    assert result["clean"]["value"] == measures["miou"]["value"]
    assert result["attacks"]["pgd"]["value"] <= result["clean"]["value"]
    page = write_evaluation(RunFolder(folder, "")).read_text()
    for number, name in enumerate(("ground", "bright", "dark")):
        assert f"classes.class_{number} {name}" in measures
        assert f"classes.class_{number} {name} (%)" in page
    for number, name in ((1, "bright"), (2, "dark")):
        assert f"seen.class_{number}_{name}" in page
        assert (folder / "pictures" / f"seen.class_{number}_{name}.png").is_file()
    for name in ("image", "truth", "answer"):
        with Image.open(folder / "pictures" / f"seen.{name}.png") as picture:
            assert picture.size == (3 * 16 + 2, 16)
    # A head that is moved again is of other pixels, and so are its statistics.
    again = run("transfer", f"ticket={moved}", "mode=linear", "train.statistics=frozen")
    fresh = Ticket.load(again / "ticket").batch_stats["head"]
    assert all((leaf == 0).all() or (leaf == 1).all() for leaf in jax.tree.leaves(fresh))


def test_iterating_on_pixels_keeps_a_head_with_its_statistics(own_file):
    run = own_file("squares", FILE)
    dense = run("pretrain", "train.duration=1it", "train.validate_every=0ep", "train.select=last")
    drawn = run("draw", f"ticket={dense}", config="imp")
    before, after = (Ticket.load(folder / "ticket") for folder in (dense, drawn))
    stats = dict(after.batch_stats)
    moved = [
        not ((leaf == 0).all() or (leaf == 1).all()) for leaf in jax.tree.leaves(stats["head"])
    ]
    assert all(moved)
    del stats["head"]
    jax.tree.map(np.testing.assert_array_equal, stats, before.batch_stats)


@pytest.mark.slow
def test_a_killed_transfer_under_segpgd_ends_bit_equal(own_file, ends_bit_equal):
    run = own_file("squares", FILE)
    source = run("pretrain")
    options = [f"ticket={source}", "train.validate_every=2it", "train.checkpoint_every=2it"]
    whole = run("transfer", *options, config="robust")
    resumed = ends_bit_equal(whole, "squares", "robust", *options)
    assert len((resumed / "metrics.jsonl").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("config", ["transfer", "robust"])
def test_two_processes_segment_as_one(own_file, by_two_and_by_one, config):
    """Training, validation by mean IoU, and all that is measured of a ticket."""
    run = own_file("squares", FILE)
    folders = by_two_and_by_one("squares", config, f"ticket={run('pretrain')}")
    tickets = [Ticket.load(folder / "ticket") for folder in folders]
    chex.assert_trees_all_close(*(ticket.params for ticket in tickets), atol=1e-5, rtol=0)
    chex.assert_trees_all_close(*(ticket.batch_stats for ticket in tickets), atol=1e-5, rtol=0)
    lines = [read_metrics(folder / "metrics.jsonl") for folder in folders]
    for two, one in zip(*lines, strict=True):
        assert two == pytest.approx(one, abs=1e-4)
    ticket = f"ticket={folders[1].absolute()}"
    two, one = (
        RunFolder(each, "").result() for each in by_two_and_by_one("squares", "evaluate", ticket)
    )
    assert two["measures"].keys() == one["measures"].keys()
    for name, found in one["measures"].items():
        assert two["measures"][name] == pytest.approx(found, abs=1e-5), name
    assert two["attacks"]["pgd"]["value"] == pytest.approx(one["attacks"]["pgd"]["value"], abs=0.01)
