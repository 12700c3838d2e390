"""Stages one by one: images that are not square, failures, splits that choices are made on."""

import chex
import numpy as np
import pytest

from rtickets import stages
from rtickets.config import (
    EvaluateConfig,
)
from rtickets.draw import Ticket
from rtickets.errors import InputError
from rtickets.platform import parallel
from rtickets.settings import config_files


def test_images_that_are_not_square_reach_training_and_evaluation_alike(folder, config):
    generator = np.random.default_rng(3)
    labels = np.arange(60) % 3
    images = generator.integers(0, 90, (60, 12, 5)) + 50 * labels[:, None, None]
    np.savez(folder / "flat.npz", x_train=images.astype(np.uint8), y_train=labels)
    path = str(folder / "flat.npz")
    pretrain = config_files.replace(config.pretrain, data__path=path, train__select="last")
    devices = parallel.local_devices(2)
    run = stages.pretrain(pretrain, folder / "flat", "flat", devices)
    validation = EvaluateConfig(split="validation")
    result = stages.evaluate(validation, run.source, folder / "flat", "flat", devices).result()
    assert result["clean"]["value"] == run.result()["validation"]


def test_a_stage_that_fails_is_not_complete(folder, config):
    bad = config_files.replace(config.pretrain, train__batch_size=512)
    with pytest.raises(InputError, match=r"batch_size=512 .*81"):
        stages.pretrain(bad, folder / "failed", "x", parallel.local_devices(1))
    assert not list((folder / "failed").glob("*/COMPLETE"))


def test_settings_are_never_chosen_on_the_test_split(folder, config):
    """The result of training is the same when every test image is replaced."""
    path = folder / "source.npz"
    arrays = dict(np.load(path))
    other = folder / "other.npz"
    np.savez(other, **{**arrays, "x_test": 255 - arrays["x_test"]})
    devices = parallel.local_devices(2)
    tickets = []
    for file in (path, other):
        pretrain = config_files.replace(config.pretrain, data__path=str(file))
        run = stages.pretrain(pretrain, folder / "runs", "blind", devices)
        tickets.append(Ticket.load(run.source.ticket))
    chex.assert_trees_all_equal(tickets[0].params, tickets[1].params)
