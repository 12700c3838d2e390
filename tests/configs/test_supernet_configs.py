"""The published searches: settings of the code of SuperTickets, and their small versions."""

from pathlib import Path

import pytest

from rtickets.cli import overrides
from rtickets.config import SearchConfig
from rtickets.draw.searching.settings import events_in
from rtickets.settings import config_files

ROOT = Path(__file__).parents[2] / "configs" / "supernet"
# epochs, batch, peak, epsilon, L2, penalty, search and prune events every so many epochs, sparsity
PUBLISHED = {
    "imagenet": (350, 512, 0.032, 1e-3, 1e-5, 1.8e-4, 10, 25, 0.9),
    "cityscapes": (430, 32, 0.04, 1e-3, 1e-5, 1.4e-4, 10, 25, 0.8),
    "ade20k": (200, 64, 0.04, 1e-3, 1e-5, 1.4e-4, 25, 15, 0.9),
    "coco_keypoints": (210, 384, 1e-3, 1e-8, 1e-8, 1e-6, 10, 15, 0.8),
}
KINDS = {
    "imagenet": ("rmsprop", "exponential", "supernet_classes", 224),
    "cityscapes": ("adam", "onecycle", "supernet_dense90", (512, 1024)),
    "ade20k": ("adam", "onecycle", "supernet_dense180", 512),
    "coco_keypoints": ("adam", "multistep", "supernet_keypoints", (256, 192)),
}


def read(name, size="full"):
    return overrides.from_command_line(SearchConfig, [f"--config={ROOT}/{name}.py:{size}"])


@pytest.mark.parametrize("name", PUBLISHED)
def test_settings_are_the_published_ones(name):
    found = read(name)
    train, searching = found.train, found.searching
    optimizer = train.optimizer
    assert (
        int(train.duration.removesuffix("ep")), train.batch_size,
        pytest.approx(optimizer.learning_rate), optimizer.epsilon, optimizer.weight_decay,
        searching.penalty, int(searching.search_every.removesuffix("ep")),
        int(searching.prune_every.removesuffix("ep")), searching.sparsity,
    ) == PUBLISHED[name]  # fmt: skip
    assert (
        optimizer.name, optimizer.schedule, found.model.arch, found.data.image_size,
    ) == KINDS[name]  # fmt: skip
    assert (searching.penalty_warmup, searching.threshold) == ("25ep", 1e-3)
    assert (searching.least_freed, searching.reactivation) == (1_000_000, "on_shrink")
    assert train.averaging.decay == 0.9999 ** (train.batch_size / 4096)
    assert (train.seed, train.select, found.model.stem) == (1995, "last", "imagenet")


def test_what_only_one_of_them_has():
    imagenet, coco = read("imagenet"), read("coco_keypoints")
    optimizer = imagenet.train.optimizer
    assert optimizer.decay_factor ** (1 / 5) == pytest.approx(0.97)  # of 2.4 of 12 epochs
    assert (optimizer.milestones, optimizer.warmup) == (("12ep",), "5ep")
    assert (optimizer.momentum, optimizer.alpha) == (0.9, 0.9)
    assert imagenet.train.objective.label_smoothing == 0.1
    assert coco.train.optimizer.milestones == ("170ep", "200ep")
    task = coco.data.task
    assert (task.sigma, task.scale, task.rotation, task.half_body) == (2.0, 0.35, 45.0, 0.3)
    assert task.flip_test
    for name in ("cityscapes", "ade20k"):
        data = read(name).data
        assert (data.random_scale, data.task.evaluation) == ((0.5, 2.0), "whole")


@pytest.mark.parametrize("name", PUBLISHED)
def test_small_versions_need_nothing_but_scenes_and_keep_the_kind(name):
    full, small = read(name), read(name, "small")
    assert small.data.source in ("stamps_scenes", "fashion_mini")
    for field in ("name", "schedule", "weight_decay", "weight_decay_factors"):
        assert getattr(small.train.optimizer, field) == getattr(full.train.optimizer, field)
    assert small.searching.sparsity == full.searching.sparsity
    kinds = [type(each.data.task) for each in (full, small)]
    assert kinds[0] is kinds[1]
    events = events_in(small.train.duration, small.searching.prune_every, None)
    assert small.searching.sparsity_at(events) == small.searching.sparsity
    assert config_files.replace(small, model=full.model).model == full.model
