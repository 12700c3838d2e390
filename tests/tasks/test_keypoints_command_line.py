"""Keypoints through the command line, from a network that tells classes apart."""

import jax
import numpy as np
from PIL import Image

from rtickets import Ticket
from rtickets.report import write_evaluation
from rtickets.runs.folders import RunFolder

FILE = '''
"""Squares, told apart as whole images first, then their corners found."""

import numpy as np

from rtickets.config import (
    AttackConfig, DataConfig, DrawConfig, EvaluateConfig, MeasureConfig, ModelConfig,
    ObjectiveConfig, PretrainConfig, TrainConfig, TransferConfig,
)
from rtickets.data import SOURCES, Raw, Source, Split
from rtickets.models import ARCHITECTURES, Architecture
from rtickets.models.resnet import BasicBlock, ResNet
from rtickets.settings import config_files
from rtickets.tasks import Keypoints


def squares(config, view):
    rng = np.random.default_rng(0)
    images = rng.integers(100, 130, (80, 16, 16, 3)).astype(np.uint8)
    labels = rng.integers(0, 2, 80).astype(np.int32)
    points, area = np.full((80, 3, 3), 2, np.float32), np.full(80, 49, np.float32)
    for image, own, label in zip(images, points, labels):
        top, left = rng.integers(0, 9, 2)
        image[top : top + 7, left : left + 7] = (250, 5)[label]
        own[:, :2] = (top + 3.5, left + 3.5), (top + 3.5, left), (top + 3.5, left + 7)
    arrays = {"image": images, "label": labels, "keypoints": points, "area": area}
    return Raw(Split(arrays), None, ("bright", "dark"))


SOURCES["corners"] = Source(squares, "80 squares", "")
ARCHITECTURES["block"] = Architecture(
    lambda asked: ResNet((1,), BasicBlock, asked.num_classes, width=4, stem="small", **asked.shared)
)
TRAIN = TrainConfig(duration="6it", batch_size=16, checkpoint_every="2it")
ROBUST = ObjectiveConfig(name="pgd", attack=AttackConfig(eps=0.05, num_steps=1))
TASK = Keypoints(
    channels=4, layers=1, sigma=1.0, rotation=10.0, scale=0.2, flip_test=True,
    names=("middle", "left", "right"), pairs=((1, 2),), sigmas=(0.05, 0.1, 0.1),
)
POINTS = DataConfig(source="corners", task=TASK, flip=True, crop_padding=1)


def get_config(verb):
    return config_files.editable({
        "pretrain": PretrainConfig(DataConfig(source="corners"), ModelConfig("block"), TRAIN),
        "draw": DrawConfig(sparsity=0.5),
        "transfer": TransferConfig(data=POINTS, train=TRAIN),
        "robust": TransferConfig(
            data=POINTS,
            train=TrainConfig(duration="2it", batch_size=16, accumulate=2, objective=ROBUST),
        ),
        "evaluate": EvaluateConfig(
            attacks={"pgd": AttackConfig(eps=0.1, num_steps=2)},
            measures={
                "seen": MeasureConfig(name="answers", examples=3, each_class=2),
                "of": MeasureConfig(name="per_class"),
            },
            honesty_examples=0,
        ),
    }[verb])
'''


def test_a_ticket_of_whole_images_is_transferred_to_keypoints(own_file):
    run = own_file("corners", FILE)
    drawn = run("draw", f"ticket={run('pretrain')}")
    moved = run("transfer", f"ticket={drawn}")
    before, after = (Ticket.load(folder / "ticket") for folder in (drawn, moved))
    assert after.params["head"]["deconv1"]["kernel"].shape == (4, 4, 4, 4)
    assert after.params["head"]["places"]["kernel"].shape == (1, 1, 4, 3)
    assert after.meta["about"] == {"keypoint_names": ["middle", "left", "right"]}
    for name, mask in before.mask.items():
        if name != "head":
            jax.tree.map(np.testing.assert_array_equal, after.mask[name], mask)
    result = RunFolder(folder := run("evaluate", f"ticket={moved}"), "").result()
    measures = result["measures"]
    assert {"ap", "ap50", "ap75", "pck", "distance", "seen.ap", "of.class_1 left"} <= set(measures)
    assert result["headline"]["name"] == "ap"
    assert result["clean"]["value"] == measures["ap"]["value"]
    assert 0 <= result["attacks"]["pgd"]["value"] <= 1
    page = write_evaluation(RunFolder(folder, "")).read_text()
    assert "OKS AP" in page
    assert "seen.class_2_right" in page
    for name in ("image", "truth", "answer"):
        with Image.open(folder / "pictures" / f"seen.{name}.png") as picture:
            assert picture.size == (3 * 16 + 2, 16)
    robust = run("transfer", f"ticket={drawn}", config="robust")
    assert Ticket.load(robust / "ticket").meta["history"][-1]["train"]["objective"]["name"] == "pgd"


def test_a_killed_transfer_ends_bit_equal(own_file, ends_bit_equal):
    run = own_file("corners", FILE)
    options = [f"ticket={run('pretrain')}", "train.validate_every=2it", "data.task.metric=pck"]
    resumed = ends_bit_equal(run("transfer", *options), "corners", "transfer", *options)
    assert len((resumed / "metrics.jsonl").read_text().splitlines()) == 3
