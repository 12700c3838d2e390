"""Training and predicting from disk, against the same from memory."""

import chex
import jax
import numpy as np
import pytest
from PIL import Image

from rtickets import evaluation
from rtickets.config import AttackConfig, OptimizerConfig, TrainConfig
from rtickets.data import labelled
from rtickets.data.images.augment import Transform
from rtickets.data.images.streamed import ImageFiles, streamed
from rtickets.data.images.views import View
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.training.inputs import device_transform, make_feed
from rtickets.training.loop import Loop


@pytest.fixture(scope="module")
def disk(tiny, tmp_path_factory):
    """The tiny set as files."""
    root = tmp_path_factory.mktemp("disk")
    paths = tuple(root / f"{number}.png" for number in range(len(tiny.split)))
    for path, image in zip(paths, tiny.split.images, strict=True):
        Image.fromarray(image[..., 0]).save(path)
    return labelled(streamed(ImageFiles(paths), View(None, channels=1), 2), tiny.split.labels)


def config_with(**changes):
    fields = {
        "optimizer": OptimizerConfig(learning_rate=0.05, schedule="constant"),
        "duration": "18it",
        "batch_size": 8,
        "select": "last",
        "validate_every": "1ep",
        "checkpoint_every": "4it",
    }
    return TrainConfig(**{**fields, **changes})


def loop_in(folder, tiny, split, validate=lambda *_: 0.5, **changes):
    folder.mkdir(exist_ok=True)
    config = config_with(**changes)
    program = tiny.program(
        optimizer=config.optimizer,
        total_steps=18,
        steps_per_epoch=6,
        devices=parallel.local_devices(2),
    )
    return Loop(program, config, split, tiny.mask, validate, folder, "test")


def leaves(outcome):
    return [np.asarray(outcome.params[name]["kernel"]) for name in ("stem_conv", "head")]


@pytest.mark.parametrize("dispatch", [1, 3])
def test_training_from_disk_is_training_from_memory(tiny, disk, tmp_path, dispatch):
    start = (tiny.params, tiny.batch_stats)
    outcomes = [
        loop_in(tmp_path / name, tiny, split, steps_per_dispatch=dispatch).fit(*start)
        for name, split in (("memory", tiny.split), ("disk", disk))
    ]
    # one step a dispatch is the same arithmetic; a loop is compiled into another order of sums
    tolerance = 0 if dispatch == 1 else 1e-6
    for ours, theirs in zip(*map(leaves, outcomes), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
    if dispatch == 1:
        lines = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("memory", "disk")]
        assert lines[0] == lines[1]


class Killed(Exception):
    """What the test stops a run with."""


def test_a_run_from_disk_that_was_killed_ends_bit_equal(tiny, disk, tmp_path):
    start = (tiny.params, tiny.batch_stats)
    whole = loop_in(tmp_path / "whole", tiny, disk).fit(*start)

    def killed(*_):
        raise Killed

    with pytest.raises(Killed):
        loop_in(tmp_path / "killed", tiny, disk, killed).fit(*start)
    resumed = loop_in(tmp_path / "killed", tiny, disk).fit(*start)
    for ours, theirs in zip(leaves(whole), leaves(resumed), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_steps_may_be_asked_for_in_any_order(tiny, disk, accumulate):
    devices = parallel.local_devices(2)
    program = tiny.program(total_steps=18, devices=devices, accumulate=accumulate)
    memory, feed = make_feed(program, tiny.split, 3), make_feed(program, disk, 3)
    for start, stop in ((0, 1), (1, 3), (9, 10), (2, 4)):
        (batch,) = feed.arguments(start, stop)
        images, labels = np.asarray(batch["image"]), np.asarray(batch["label"])
        data, indices = memory.arguments(start, stop)
        assert images.shape == (2, stop - start, 4, 8, 8, 1)
        np.testing.assert_array_equal(images, np.asarray(data["image"])[np.asarray(indices)])
        np.testing.assert_array_equal(labels, tiny.split.labels[np.asarray(indices)])
    found, expected = (
        jax.tree.map(lambda leaf, at=indices: np.asarray(leaf)[np.asarray(at)], data)
        for data, indices in (feed.one_step(5), memory.one_step(5))
    )
    chex.assert_trees_all_equal(found, expected)
    feed.close()


def test_a_broken_image_stops_the_run_by_its_name(tiny, disk, tmp_path):
    paths = list(disk.images.files.paths)
    paths[7] = tmp_path / "broken.png"
    paths[7].write_bytes(b"nothing")
    broken = labelled(streamed(ImageFiles(tuple(paths)), View(None, channels=1), 2), disk.labels)
    loop = loop_in(tmp_path / "run", tiny, broken)
    with pytest.raises(InputError, match=r"broken\.png: .*image"):
        loop.fit(tiny.params, tiny.batch_stats)


@pytest.mark.parametrize("attack", [None, AttackConfig(norm="l2", eps=0.3, num_steps=2)])
def test_predictions_from_disk_are_those_from_memory(tiny, disk, attack):
    network = evaluation.Network(tiny.model, tiny.params, tiny.batch_stats)
    devices = parallel.local_devices(2)
    found = [
        evaluation.predict(
            network,
            evaluation.on_devices(split, Transform(), devices),
            attack=attack,
            batch_size=10,
        )
        for split in (tiny.split, disk)
    ]
    assert found[0].shape == (48, 3)
    np.testing.assert_array_equal(*found)


def test_images_that_were_cropped_on_the_host_are_not_cropped_again(tiny, disk):
    transform = Transform((8, 8), flip=True, random_crop=(0.1, 1.0))
    assert device_transform(transform, tiny.split) == transform
    assert device_transform(transform, disk) == transform
    view = View((8, 8), random_crop=(0.1, 1.0), channels=1)
    cut = labelled(streamed(disk.images.files, view, 2), disk.labels)
    assert device_transform(transform, cut) == Transform((8, 8), flip=True)
